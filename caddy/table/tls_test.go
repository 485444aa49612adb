package table

import (
	"fmt"
	"net"
	"testing"
)

var local = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}

func https(id, host, path string, options *TLSOptions) RowJSON {
	row := RowJSON{ID: id, Ingress: id, Port: 443, Host: host, TLS: true, Policy: "p", TLSOptions: options, Targets: []Target{{Instance: "web", Port: 80}}}
	if path != "" {
		row.Path = &Path{Type: "prefix", Value: path}
	}
	return row
}

func passed(id, host string) RowJSON {
	return RowJSON{ID: id, Ingress: id, Port: 443, Host: host, Layer4: &Layer4{Protocol: "tls"}, Targets: []Target{{Instance: "web", Port: 443}}}
}

func tableOf(t *testing.T, routes ...RowJSON) *Table {
	t.Helper()
	rows := NewRows()
	for i := range routes {
		rows.Add(&routes[i])
	}
	var table Table
	if err := table.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	return &table
}

// D5: the name alone decides, however many paths a host has.
func TestNamesWithManyPaths(t *testing.T) {
	for _, count := range []int{1, fewRows, fewRows + 1, 100} {
		routes := []RowJSON{passed("pass", "*.a.test")}
		for i := range count {
			routes = append(routes, https(fmt.Sprint(i), "www.a.test", fmt.Sprint("/", i), nil))
		}
		table := tableOf(t, routes...)
		if row, _, _ := table.LookupName(443, local, "www.a.test"); row == nil || row.Layer4() != nil {
			t.Errorf("%d paths: the wildcard takes the connections", count)
		}
		if row, _, _ := table.LookupName(443, local, "other.a.test"); row == nil || row.ID() != "pass" {
			t.Errorf("%d paths: the wildcard does not take its own", count)
		}
	}
}

func TestNamesAtListenAddresses(t *testing.T) {
	at := func(row RowJSON, listen ...string) RowJSON {
		row.Listen = listen
		return row
	}
	table := tableOf(t,
		at(https("here", "www.a.test", "/a", nil), "127.0.0.1"), at(passed("there", "www.a.test"), "127.0.0.2"),
		at(https("here too", "www.a.test", "/b", nil), "127.0.0.1"),
	)
	for ip, want := range map[string]string{"127.0.0.1": "here", "127.0.0.2": "there", "127.0.0.3": ""} {
		row, _, _ := table.LookupName(443, &net.TCPAddr{IP: net.ParseIP(ip), Port: 443}, "www.a.test")
		if got := row; want == "" && got != nil || want != "" && (got == nil || got.ID() != want) {
			t.Errorf("%s: %v, want %q", ip, got, want)
		}
	}
}

func require(ca string) *TLSOptions {
	return &TLSOptions{ClientAuth: &ClientAuth{Mode: "request", CAPEM: ca}}
}

// D3: options hold for hosts with a wildcard at any label, and several.
// D4: a row demands what its own host does, and what a connection may reach is what its handshake must be fit for.
func TestDemands(t *testing.T) {
	table := tableOf(t,
		https("region", "api.{region}.b.test", "", require("inner")),
		https("two", "*.*.c.test", "", require("two")),
		https("wild", "*.a.test", "", require("wild")),
		https("health", "www.a.test", "/health", &TLSOptions{MinVersion: "1.3"}),
		https("plain", "plain.a.test", "", nil),
		https("part", "part.a.test", "/part", nil),
		https("open", "open.test", "", nil),
	)
	authority := func(d Demands) string {
		if d.None() {
			return "none"
		}
		return d.ClientCAs() + d.MinVersion()
	}
	for _, c := range []struct{ host, path, row, want string }{
		{"api.eu.b.test", "/", "region", "inner"},
		{"x.y.c.test", "/", "two", "two"},
		{"any.a.test", "/", "wild", "wild"},
		{"www.a.test", "/health", "health", "1.3"},
		{"www.a.test", "/secret", "wild", "wild"},
		{"plain.a.test", "/", "plain", "wild"},
		{"part.a.test", "/part", "part", "wild"},
		{"open.test", "/", "open", "none"},
	} {
		row, _, demanded := table.Lookup(&Request{Port: 443, TLS: true, Host: c.host, Path: c.path, Method: "GET"})
		if row == nil || row.ID() != c.row || authority(demanded) != c.want {
			t.Errorf("%s%s: row %v demands %s, want %s of %s", c.host, c.path, row, authority(demanded), c.want, c.row)
		}
	}
	for name, want := range map[string]string{
		"api.EU.b.test.": "[inner]", "x.y.c.test": "[two]", "any.a.test": "[wild]", "www.a.test": "[1.3 wild]",
		"plain.a.test": "[wild]", "part.a.test": "[wild]", "open.test": "[none]", "nobody.test": "[]", "": "[]",
	} {
		var got []string
		for _, one := range table.LookupHandshake(443, local, name) {
			got = append(got, authority(one))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%q may reach %v, want %s", name, got, want)
		}
	}
}

// A row with other conditions does not take all requests of its name, so that the wildcard's demands are reachable.
func TestDemandsBehindConditions(t *testing.T) {
	for name, edit := range map[string]func(*RowJSON){
		"a path": prefix("/a"), "methods": methods("GET"), "headers": headers("X", "1"), "nothing": func(*RowJSON) {},
		"an address": func(r *RowJSON) { r.Listen = []string{"127.0.0.1"} },
	} {
		row := https("own", "www.a.test", "", &TLSOptions{MinVersion: "1.3"})
		edit(&row)
		table := tableOf(t, row, https("wild", "*.a.test", "", require("wild")))
		want := 2
		if name == "nothing" || name == "an address" {
			want = 1
		}
		if got := table.LookupHandshake(443, local, "www.a.test"); len(got) != want {
			t.Errorf("with %s: %d demands are reachable, want %d", name, len(got), want)
		}
	}
}

// A row that listens elsewhere takes nothing here, and hides no other.
func TestNamesOfRowsThatListenElsewhere(t *testing.T) {
	elsewhere := https("own", "www.a.test", "", &TLSOptions{MinVersion: "1.3"})
	elsewhere.Listen = []string{"127.0.0.9"}
	plain := https("plain", "plain.a.test", "", nil)
	plain.TLS = false
	table := tableOf(t, elsewhere, plain, https("wild", "*.a.test", "", require("wild")))
	for _, name := range []string{"www.a.test", "plain.a.test", "x.a.test"} {
		if row, _, demanded := table.LookupName(443, local, name); row == nil || row.ID() != "wild" || demanded.ClientCAs() != "wild" {
			t.Errorf("%s: %v demands %v", name, row, demanded)
		}
		if got := table.LookupHandshake(443, local, name); len(got) != 1 || got[0].ClientCAs() != "wild" {
			t.Errorf("%s may reach %v", name, got)
		}
	}
	there := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 443}
	if got := table.LookupHandshake(443, there, "www.a.test"); len(got) != 1 || got[0].MinVersion() != "1.3" {
		t.Errorf("there it may reach %v", got)
	}
}

// Names are compared as DNS does, and one that is none is nobody's. Who names nothing gets what takes every name.
func TestNamesThatAreAskedFor(t *testing.T) {
	table := tableOf(t, passed("own", "www.a.test"), passed("all", "*"))
	for name, want := range map[string]string{"WWW.a.test.": "own", "other.test": "all", "": "all", "a b.test": "", "..": ""} {
		got := ""
		if row, _, _ := table.LookupName(443, local, name); row != nil {
			got = row.ID()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// What is demanded goes with the last row that demands it.
func TestDemandsGo(t *testing.T) {
	table := tableOf(t, https("a", "a.test", "/a", require("one")), https("b", "a.test", "", nil))
	if got := table.LookupHandshake(443, local, "a.test"); len(got) != 1 || got[0].ClientCAs() != "one" {
		t.Errorf("got %v", got)
	}
	if err := table.Patch("1", "2", []string{"a"}, NewRows()); err != nil {
		t.Fatal(err)
	}
	if got := table.LookupHandshake(443, local, "a.test"); len(got) != 0 || table.ports[443].demanding != 0 {
		t.Errorf("got %v of %d", got, table.ports[443].demanding)
	}
}

func TestTLSOptionsAreChecked(t *testing.T) {
	wrong := func(row RowJSON) {
		t.Helper()
		rows := NewRows()
		rows.Add(&row)
		if len(rows.problems) == 0 {
			t.Errorf("%+v was taken", row.TLSOptions)
		}
	}
	wrong(https("a", "a.test", "", &TLSOptions{MinVersion: "1.1"}))
	wrong(https("a", "a.test", "", &TLSOptions{ClientAuth: &ClientAuth{Mode: "require", CAPEM: "none"}}))
	wrong(https("a", "a.test", "", &TLSOptions{ClientAuth: &ClientAuth{Mode: "demand"}}))
	plain := https("a", "a.test", "", &TLSOptions{MinVersion: "1.2"})
	plain.TLS = false
	wrong(plain)
}
