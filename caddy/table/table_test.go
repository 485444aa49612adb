package table

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func rowJSON(id, host string, edit ...func(*RowJSON)) RowJSON {
	r := RowJSON{ID: id, Ingress: id, Port: 80, Host: host, Policy: "p", Targets: []Target{{Instance: "web", Port: 8080}}}
	for _, change := range edit {
		change(&r)
	}
	return r
}

func rowsOf(from ...RowJSON) *Rows {
	rows := NewRows()
	for i := range from {
		rows.Add(&from[i])
	}
	return rows
}

func mustReplace(t testing.TB, table *Table, version string, rows ...RowJSON) {
	t.Helper()
	if err := table.Replace(version, rowsOf(rows...)); err != nil {
		t.Fatal(err)
	}
}

func prefix(path string) func(*RowJSON) {
	return func(r *RowJSON) { r.Path = &Path{"prefix", path} }
}

func exact(path string) func(*RowJSON) { return func(r *RowJSON) { r.Path = &Path{"exact", path} } }

func methods(list ...string) func(*RowJSON) { return func(r *RowJSON) { r.Methods = list } }

func headers(pairs ...string) func(*RowJSON) {
	return func(r *RowJSON) {
		r.Headers = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			r.Headers[pairs[i]] = pairs[i+1]
		}
	}
}

func redirectTo(port int) func(*RowJSON) {
	return func(r *RowJSON) { r.Policy, r.Targets, r.Redirect = "", nil, &Redirect{port} }
}

func idFor(table *Table, host, path string) string {
	row, _, _ := table.Lookup(&Request{Port: 80, Host: host, Path: path, Method: "GET"})
	if row == nil {
		return ""
	}
	return row.ID()
}

func TestPatchChangesAllAtOnce(t *testing.T) {
	var table Table
	mustReplace(t, &table, "1", rowJSON("a", "a.test"), rowJSON("b", "b.test"), rowJSON("w", "*.test"))
	if err := table.Patch("1", "2", []string{"a", "unknown"}, rowsOf(rowJSON("b", "c.test"), rowJSON("d", "*.*.test"))); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"a.test": "w", "b.test": "w", "c.test": "b", "x.y.test": "d"} {
		if got := idFor(&table, host, "/"); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
	if version, rows, changes := table.State(); version != "2" || rows != 3 || changes != 2 {
		t.Errorf("state: %s, %d rows", version, rows)
	}
	if err := table.Patch("2", "3", []string{"b", "d", "w"}, rowsOf()); err != nil {
		t.Fatal(err)
	}
	if len(table.ports) != 0 || len(table.byID) != 0 {
		t.Errorf("something is left: %v %v", table.ports, table.byID)
	}
}

func TestPatchFromAnotherVersionIsRefused(t *testing.T) {
	var table Table
	mustReplace(t, &table, "1", rowJSON("a", "a.test"))
	var version *VersionError
	if err := table.Patch("0", "2", []string{"a"}, rowsOf()); !errors.As(err, &version) || version.Running != "1" {
		t.Fatalf("got %v", err)
	}
	if table.Version() != "1" || idFor(&table, "a.test", "/") != "a" {
		t.Error("the table changed")
	}
}

func TestTies(t *testing.T) {
	for name, c := range map[string]struct {
		a, b func(*RowJSON)
		tie  bool
	}{
		"same host":                     {prefix("/"), func(*RowJSON) {}, true},
		"exact and prefix":              {exact("/a"), prefix("/a"), false},
		"paths equal when cleaned":      {prefix("/a//b/"), prefix("/a/./b"), true},
		"prefixes of one length":        {prefix("/a"), prefix("/b"), false},
		"methods that intersect":        {methods("GET", "PUT"), methods("PUT"), true},
		"methods that do not":           {methods("GET"), methods("PUT"), false},
		"methods and none":              {methods("GET"), func(*RowJSON) {}, false},
		"one header, two values":        {headers("X", "1"), headers("x", "2"), false},
		"one header, one value":         {headers("X", "1"), headers("x", "1"), true},
		"two headers":                   {headers("X", "1"), headers("Y", "1"), true},
		"more headers":                  {headers("X", "1", "Y", "1"), headers("Y", "1"), false},
		"redirect and rule":             {redirectTo(443), func(*RowJSON) {}, false},
		"redirects to one port":         {redirectTo(443), redirectTo(443), false},
		"redirects to two ports":        {redirectTo(443), redirectTo(8443), true},
		"with TLS and without":          {func(r *RowJSON) { r.TLS = true }, func(*RowJSON) {}, true},
		"on two ports":                  {func(r *RowJSON) { r.Port = 81 }, func(*RowJSON) {}, false},
		"two names of the same capture": {func(r *RowJSON) { r.Host = "{x}.test" }, func(r *RowJSON) { r.Host = "{y}.test" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := rowJSON("a", "a.test", c.a), rowJSON("b", "a.test", c.b)
			var whole, grown Table
			mustReplace(t, &grown, "1", a)
			for _, err := range []error{whole.Replace("1", rowsOf(b, a)), grown.Patch("1", "2", nil, rowsOf(b))} {
				if (err != nil) != c.tie {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestCapturesAreExpanded(t *testing.T) {
	var table Table
	mustReplace(t, &table, "1",
		rowJSON("one", "{instance}.dev.test", func(r *RowJSON) { r.Targets[0].Instance = "{instance}" }),
		rowJSON("behind a wildcard", "*.{c}.c.test", func(r *RowJSON) { r.Targets[0].Instance = "{c}" }),
		rowJSON("two", "{a}.x.{B}.test", func(r *RowJSON) {
			r.Targets = []Target{{Instance: "{B}-{a}.Vm", Port: 1}, {Instance: "fixed", Port: 2}}
		}),
	)
	for _, c := range []struct {
		host string
		i    int
		want string
	}{
		{"Web-1.Dev.test:80", 0, "web-1"},
		{"any.web.c.test", 0, "web"},
		{"l.x.r.test.", 0, "r-l.vm"},
		{"l.x.r.test.", 1, "fixed"},
	} {
		row, host, _ := table.Lookup(&Request{Port: 80, Host: c.host, Path: "/"})
		if row == nil {
			t.Fatalf("%s: no row", c.host)
		}
		if got, _ := row.Target(c.i, host); got != c.want {
			t.Errorf("%s: got %q, want %q", c.host, got, c.want)
		}
	}
}

func TestCanonicalHost(t *testing.T) {
	for host, want := range map[string]string{
		"a.test": "a.test", "A.Test:80": "a.test", "a.test.": "a.test", "a.test.:443": "a.test", "": "", ":80": "",
		"[::1]:80": "::1", "[2001:DB8:0::1]": "2001:db8::1", "2001:db8::1": "2001:db8::1", "[::1": "", "a:b:c": "", "[x]": "",
		"10.0.0.1:80": "10.0.0.1", "LOCALHOST": "localhost", "Z.test": "z.test",
	} {
		if got := CanonicalHost(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestCleanPath(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", "*": "/", "/": "/", "//": "/", "/a": "/a", "/a/": "/a/", "/a//b": "/a/b", "/a/./b": "/a/b", "/a/../b": "/b",
		"/..": "/", "/../..//a/..": "/", "/a/b/..": "/a/", "/a/.": "/a/", "/.a": "/.a", "/a/...": "/a/...", "/A": "/A", "a": "/a",
	} {
		if got := CleanPath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

func TestStrangeHostsMatchNothing(t *testing.T) {
	var table Table
	mustReplace(t, &table, "1", rowJSON("w", "*.test"), rowJSON("ww", "*.*.test"))
	for _, host := range []string{"", ".", "..", ".test", "a..test", "*.test", "{x}.test", "a b.test", "a.test..", strings.Repeat("a", 64) + ".test",
		strings.Repeat("a.", 200) + "test", "\x00.test", "é.test", "[::1].test"} {
		if got := idFor(&table, host, "/"); got != "" {
			t.Errorf("%q went to %s", host, got)
		}
	}
}

func TestHeadersOfRequests(t *testing.T) {
	for name, c := range map[string]struct {
		demanded []string
		sent     map[string][]string
		match    bool
	}{
		"the value":              {[]string{"x", "1"}, map[string][]string{"X": {"1"}}, true},
		"another value":          {[]string{"x", "1"}, map[string][]string{"X": {"2"}}, false},
		"none":                   {[]string{"x", "1"}, nil, false},
		"none, for an empty one": {[]string{"x", ""}, nil, false},
		"an empty one":           {[]string{"x", ""}, map[string][]string{"X": {""}}, true},
		"two, joined":            {[]string{"x", "1, 2"}, map[string][]string{"X": {"1", "2"}}, true},
		"two, one demanded":      {[]string{"x", "1"}, map[string][]string{"X": {"1", "2"}}, false},
		"one of two":             {[]string{"x", "1", "y", "2"}, map[string][]string{"X": {"1"}}, false},
		"both":                   {[]string{"x", "1", "y", "2"}, map[string][]string{"X": {"1"}, "Y": {"2"}}, true},
		"the host":               {[]string{"host", "A.test"}, nil, true},
		"another host":           {[]string{"host", "a.test"}, map[string][]string{"Host": {"a.test"}}, false},
	} {
		var table Table
		mustReplace(t, &table, "1", rowJSON("a", "a.test", headers(c.demanded...)))
		row, _, _ := table.Lookup(&Request{Port: 80, Host: "A.test", Path: "/", Header: c.sent})
		if (row != nil) != c.match {
			t.Errorf("%s: matched: %v", name, row != nil)
		}
	}
}

// No label of DNS is longer than 63 bytes, and no name than 255.
func TestTheLongestHosts(t *testing.T) {
	label := strings.Repeat("a", 63)
	var table Table
	mustReplace(t, &table, "1", rowJSON("four", "*.*.*.*"), rowJSON("five", "*.*.*.*.*"), rowJSON("literal", label+".test"), rowJSON("longest", strings.Join([]string{label, label, label, label[:59], "09z"}, ".")))
	four := strings.Join([]string{label, label, label, label}, ".")
	for host, want := range map[string]string{four: "four", four + ".a": "", "a." + four[:253]: "five", label + ".test": "literal",
		strings.Join([]string{label, label, label, label[:59], "09z"}, "."): "longest"} {
		if got := idFor(&table, host, "/"); got != want {
			t.Errorf("%d bytes went to %q, want %q", len(host), got, want)
		}
	}
	for name, host := range map[string]string{
		"a long label": "a" + label + ".test", "a long name": four + ".a", "65 labels": strings.Repeat("a.", 64) + "*",
	} {
		if row := rowJSON("r", host); len(rowsOf(row).problems) == 0 {
			t.Errorf("%s was taken", name)
		}
	}
	if row := rowJSON("r", strings.Repeat("a.", 63)+"*"); len(rowsOf(row).problems) != 0 {
		t.Error("64 labels were not taken")
	}
}

// TestManyRowsOfOneHost goes through the index of paths that hosts with many rows have.
func TestManyRowsOfOneHost(t *testing.T) {
	var table Table
	rows := []RowJSON{rowJSON("all", "a.test"), rowJSON("redirect", "a.test", redirectTo(443)), rowJSON("deep", "a.test", prefix("/p1/x/y/z"))}
	for i := range 500 {
		rows = append(rows, rowJSON(fmt.Sprint("p", i), "a.test", prefix(fmt.Sprint("/p", i))), rowJSON(fmt.Sprint("e", i), "a.test", exact(fmt.Sprint("/p", i))))
	}
	mustReplace(t, &table, "1", rows...)
	for path, want := range map[string]string{
		"/": "all", "/p1": "e1", "/p1/": "p1", "/p1/x/y": "p1", "/p1/x/y/z/0": "deep", "/p499/a/b/c/d/e": "p499", "/p500": "all", "/p1/../p2": "e2",
	} {
		if got := idFor(&table, "a.test", path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// TestReadersSeeWholeVersions patches two rows back and forth between two hosts while others read.
func TestReadersSeeWholeVersions(t *testing.T) {
	var table Table
	mustReplace(t, &table, "0", rowJSON("x", "x.test"), rowJSON("a", "a.test"), rowJSON("b", "*.b.test"))
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if idFor(&table, "x.test", "/") != "x" {
					t.Error("an untouched row was away")
					return
				}
				// `a` and `b` change places in one delta: each is always at one of the two.
				if idFor(&table, "a.test", "/") == "" || idFor(&table, "1.b.test", "/") == "" {
					t.Error("a delta was seen by half")
					return
				}
			}
		})
	}
	for i := range 2000 {
		hosts := []string{"a.test", "*.b.test"}
		err := table.Patch(fmt.Sprint(i), fmt.Sprint(i+1), nil, rowsOf(rowJSON("a", hosts[(i+1)%2]), rowJSON("b", hosts[i%2])))
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
}

// Rows are read into memory that is used again.
func TestRowsAreReadIndependently(t *testing.T) {
	var second RowJSON
	text := `{"version":"1","rows":[{"id":"a","host":"a.test","methods":["GET"],"tls":true},{"id":"b","host":"b.test"}]}`
	if _, err := ReadTable(strings.NewReader(text), func(row *RowJSON) { second = *row }); err != nil {
		t.Fatal(err)
	}
	if second.ID != "b" || second.TLS || second.Methods != nil {
		t.Errorf("the second row is %+v", second)
	}
}
