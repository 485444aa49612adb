package table

import "testing"

func TestNoWildcardHasTheReservedHost(t *testing.T) {
	demanding := &TLSOptions{MinVersion: "1.3"}
	table := tableOf(t,
		https("api", "gw.a.test", "", nil),
		https("wild", "*.a.test", "", demanding),
		https("all", "*", "", nil),
		RowJSON{ID: "other", Port: 444, Host: "*.a.test", TLS: true, Redirect: &Redirect{Port: 443}},
		RowJSON{ID: "pass", Port: 445, Host: "*.a.test", Layer4: &Layer4{Protocol: "tls"}, Targets: []Target{{Instance: "web", Port: 443}}},
	)
	took := func(port uint16, host string) string {
		row, _, demands := table.Lookup(&Request{Port: port, Host: host, Path: "/", Method: "GET", TLS: true, Local: local})
		if row == nil {
			if row, _, demands = table.LookupName(port, local, host); row == nil {
				return ""
			}
		}
		if !demands.None() {
			return row.ID() + " demanding"
		}
		return row.ID()
	}
	check := func(port uint16, host, want string) {
		t.Helper()
		if got := took(port, host); got != want {
			t.Errorf("%s on %d is of %q, want %q", host, port, got, want)
		}
	}
	check(443, "gw.a.test", "api demanding")
	table.Reserve("gw.a.test")
	check(443, "GW.a.test.:443", "api")
	check(444, "gw.a.test", "")
	check(445, "gw.a.test", "")
	check(443, "b.a.test", "wild demanding")
	check(444, "b.a.test", "other")
	check(445, "b.a.test", "pass")
	for _, one := range table.LookupHandshake(443, local, "gw.a.test") {
		if !one.None() {
			t.Errorf("the handshake demands %+v", one)
		}
	}
	table.Reserve("")
	check(444, "gw.a.test", "other")
}
