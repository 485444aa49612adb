package table

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

func problemsOf(t *testing.T, err error) map[string][]string {
	t.Helper()
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("not a refusal: %v", err)
	}
	found := make(map[string][]string)
	for _, p := range refusal.Problems {
		found[p.ID] = append(found[p.ID], p.Problem)
	}
	return found
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

func TestEveryProblemIsNamedAndNothingChanges(t *testing.T) {
	var table Table
	mustReplace(t, &table, "1", rowJSON("a", "a.test"), rowJSON("p", "{x}.test", prefix("/p")))
	bad := []RowJSON{
		rowJSON("tie", "*.test", prefix("/p/")),
		rowJSON("good", "good.test"),
		{ID: "", Port: 0, Host: "UPPER.test", Path: &Path{"regex", "x"}, Auth: &Auth{"", "12"}, Targets: []Target{{Instance: "{y}", Port: 70000}, {Instance: "", Port: 1}}},
		rowJSON("both", "both.test", func(r *RowJSON) { r.Redirect = &Redirect{0} }),
		rowJSON("twice", "twice.test"), rowJSON("twice", "other.test"),
		rowJSON("captures", "{a}.{a}.test"), rowJSON("mixed", "a-{b}.test"), rowJSON("alone", "{a}"), rowJSON("inner", "a..test"), rowJSON("unnamed", "{}.test"),
		rowJSON("open", "{abc.test"), rowJSON("closed", "abc}.test"), rowJSON("six", "[::1]:80"), rowJSON("bracket", "[x]"), rowJSON("port", "a.test:80"),
		rowJSON("nocapture", "a2.test", func(r *RowJSON) { r.Targets[0].Instance = "{a}" }),
		rowJSON("headers", "h.test", headers("X-A", "1", "x-a", "2")),
		rowJSON("policy", "policy.test", func(r *RowJSON) { r.Policy = "other" }),
	}
	rows := NewRows()
	for i := range bad {
		rows.Add(&bad[i])
	}
	rows.DemandPolicies(func(policy string) bool { return policy == "p" })
	found := problemsOf(t, table.Patch("1", "2", []string{"a"}, rows))
	for id, want := range map[string]string{
		"tie": `ties with row "p"`, "both": "redirect.port 0", "twice": "id is there twice", "captures": `captures "a" twice`,
		"mixed": `label "a-{b}"`, "alone": "is one capture alone", "inner": `label ""`, "unnamed": `label "{}"`,
		"open": `label "{abc"`, "closed": `label "abc}"`, "six": "is not an IPv6 address", "bracket": "is not an IPv6 address", "port": `label "test:80"`, "nocapture": `captures "a", which the host does not have`,
		"headers": `headers names "X-A" twice`, "policy": `policy "other" is not there`,
	} {
		if !strings.Contains(strings.Join(found[id], "; "), want) {
			t.Errorf("%s: got %q, want %q", id, found[id], want)
		}
	}
	if len(found["good"]) > 0 || len(found[""]) != 11 {
		t.Errorf("good: %q, nameless (%d): %q", found["good"], len(found[""]), found[""])
	}
	if table.Version() != "1" || idFor(&table, "a.test", "/") != "a" || idFor(&table, "good.test", "/") != "" {
		t.Error("the table changed")
	}
	if err := table.Replace("2", rows); err == nil || table.Version() != "1" {
		t.Error("the whole table was taken")
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

func TestConditionsAreChecked(t *testing.T) {
	digits := strings.Repeat("0f", 32)
	auth := func(sum string) func(*RowJSON) {
		return func(r *RowJSON) { r.Auth = &Auth{"X-Secret", sum} }
	}
	for name, c := range map[string]struct {
		edit func(*RowJSON)
		want string
	}{
		"a header":              {headers("X", ""), ""},
		"a nameless header":     {headers("", "x"), "a name in headers is empty"},
		"an empty method":       {methods("GET", ""), "methods[1] is empty"},
		"a sum":                 {auth(digits), ""},
		"a sum that is short":   {auth(digits[:63]), "auth.sha256"},
		"a sum of half a size":  {auth(digits[:32]), "auth.sha256"},
		"a sum that is long":    {auth(digits + "0"), "auth.sha256"},
		"a sum of double size":  {auth(digits + digits), "auth.sha256"},
		"a sum of other digits": {auth("xx" + digits[2:]), "auth.sha256"},
		"no sum":                {auth(""), "auth.sha256"},
		"a path without /":      {prefix("a"), "does not begin with /"},
	} {
		row := rowJSON("a", "a.test", c.edit)
		_, problems := compile(&row)
		if got := strings.Join(problems, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	// However a map is walked.
	for range 20 {
		row := rowJSON("a", "a.test", headers("X-A", "1", "B", "2", "C", "3", "x-a", "4"))
		if _, problems := compile(&row); len(problems) != 1 {
			t.Fatalf("a header that is named twice: %q", problems)
		}
	}
	row, _ := compile(&RowJSON{ID: "a", Port: 80, Host: "a.test", Policy: "p"})
	if _, _, demanded := row.Auth(); demanded {
		t.Error("a row without a secret demands one")
	}
}

func TestRefusalsSayHowMuchIsWrong(t *testing.T) {
	for count, want := range []string{"refused", `"0": wrong`, `"0": wrong (and 1 more problems)`} {
		refusal := &Refusal{}
		for i := range count {
			refusal.Problems = append(refusal.Problems, Problem{fmt.Sprint(i), "wrong"})
		}
		if got := refusal.Error(); got != want {
			t.Errorf("%d problems: %s", count, got)
		}
	}
}

func TestRedirectsHaveNothingElse(t *testing.T) {
	for name, edit := range map[string]func(*RowJSON){
		"a policy set": func(r *RowJSON) { r.Policy = "p" }, "targets": func(r *RowJSON) { r.Targets = []Target{{Instance: "a", Port: 80}} },
	} {
		if problems := rowsOf(rowJSON("a", "a.test", redirectTo(443), edit)).problems; len(problems) != 1 {
			t.Errorf("%s: %v", name, problems)
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

// TestAgainstLinearScan compares the index with a scan over all rows in the order of precedence, on random tables
// that grow and shrink by deltas.
func TestAgainstLinearScan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	label := func() string { return pick("a", "b", "c", "*", "{x}") }
	var table Table
	mustReplace(t, &table, "0")
	present := map[string]RowJSON{}
	matched, refused := 0, 0
	for step := range 3000 {
		var upsert []RowJSON
		for range random.IntN(3) + 1 {
			r := rowJSON(fmt.Sprint(random.IntN(150)), pick("*", label()+".test", label()+".b.test", pick("a", "*")+"."+pick("b", "*")+".test"))
			r.Port = 80 + random.IntN(2)
			r.TLS = random.IntN(4) == 0
			switch random.IntN(4) {
			case 0:
				exact(pick("/", "/a", "/a/", "/a/b", "/b"))(&r)
			case 1, 2:
				prefix(pick("/", "/a", "/a/b", "/a/b/c", "/b", "/ab"))(&r)
			}
			if random.IntN(3) == 0 {
				methods(pick("GET", "PUT"))(&r)
			}
			if random.IntN(3) == 0 {
				headers("X", pick("1", "2"))(&r)
			}
			if random.IntN(8) == 0 {
				redirectTo(443)(&r)
			}
			if !slices.ContainsFunc(upsert, func(other RowJSON) bool { return other.ID == r.ID }) {
				upsert = append(upsert, r)
			}
		}
		remove := []string{fmt.Sprint(random.IntN(150))}
		if err := table.Patch(fmt.Sprint(step), fmt.Sprint(step+1), remove, rowsOf(upsert...)); err != nil {
			refused++
			if err := table.Patch(fmt.Sprint(step), fmt.Sprint(step+1), remove, rowsOf()); err != nil {
				t.Fatal(err)
			}
			upsert = nil
		}
		delete(present, remove[0])
		for _, r := range upsert {
			present[r.ID] = r
		}
		request := &Request{
			Port: uint16(80 + random.IntN(2)), TLS: random.IntN(4) == 0, Host: pick("a", "b", "d") + pick(".test", ".b.test", ".c.test", ".other"),
			Path: pick("/", "/a", "/a/", "/a/b", "/a/b/c/d", "/b/x", "/ab", "/a/../b"), Method: pick("GET", "PUT", "POST"),
			Header: map[string][]string{"X": {pick("1", "2", "3")}},
		}
		want := scan(present, request)
		got := ""
		if row, _, _ := table.Lookup(request); row != nil {
			got = row.ID()
			matched++
		}
		if got != want {
			t.Fatalf("step %d: %+v went to %q, want %q", step, request, got, want)
		}
	}
	if matched < 1000 || refused < 100 || len(present) < 50 {
		t.Fatalf("the test is too easy: %d matched, %d refused, %d rows", matched, refused, len(present))
	}
}

// scan is the rule of precedence written down naively.
func scan(present map[string]RowJSON, request *Request) string {
	var rows []*Row
	for _, r := range present {
		row, _ := compile(&r)
		rows = append(rows, row)
	}
	hostRank := func(a, b *Row) int {
		if a.host == b.host {
			return 0
		}
		as, bs := strings.Split(a.host, "."), strings.Split(b.host, ".")
		literals := func(labels []string) (n int) {
			for _, l := range labels {
				if l != "*" {
					n++
				}
			}
			return n
		}
		if (a.host == "*") != (b.host == "*") {
			return boolFirst(b.host == "*", a.host == "*")
		}
		stars := func(labels []string) int { return len(labels) - literals(labels) }
		if (stars(as) == 0) != (stars(bs) == 0) {
			return boolFirst(stars(as) == 0, stars(bs) == 0)
		}
		if n := literals(bs) - literals(as); n != 0 {
			return n
		}
		for i := range min(len(as), len(bs)) {
			if (as[i] == "*") != (bs[i] == "*") {
				return boolFirst(as[i] != "*", bs[i] != "*")
			}
		}
		return 0
	}
	slices.SortFunc(rows, func(a, b *Row) int {
		if order := hostRank(a, b); order != 0 {
			return order
		}
		if order := rank(a, b); order != 0 {
			return order
		}
		return strings.Compare(a.id, b.id)
	})
	labels := strings.Split(request.Host, ".")
	for _, row := range rows {
		pattern := strings.Split(row.host, ".")
		fits := row.host == "*" || len(pattern) == len(labels)
		for i := range pattern {
			fits = fits && (row.host == "*" || pattern[i] == "*" || pattern[i] == labels[i])
		}
		if fits && row.port == request.Port && row.takes(request) {
			return row.ID()
		}
	}
	return ""
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

func TestReadStrict(t *testing.T) {
	for text, want := range map[string]string{
		`{"from":"1"}`: "", `{"from":"1"} `: "", ``: "unexpected EOF", `{"from":"1","x":1}`: "unknown field", `{"from":"1"}{}`: "something follows", `{"from":`: "EOF",
	} {
		var delta Delta
		err := ReadStrict(strings.NewReader(text), &delta)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && delta.From != "1" {
			t.Errorf("%s: %v, %+v", text, err, delta)
		}
	}
}

func TestReadTable(t *testing.T) {
	count := 0
	read := func(text string) (string, error) {
		count = 0
		head, err := ReadTable(strings.NewReader(text), func(*RowJSON) { count++ })
		return head.Version, err
	}
	if version, err := read(`{"rows":[{"id":"a"},{"id":"b"}],"version":"7"} `); err != nil || version != "7" || count != 2 {
		t.Fatalf("got %q, %v, %d rows", version, err, count)
	}
	for text, want := range map[string]string{
		``: "unexpected EOF", `[]`: "instead of {", `{"version":"1"}`: "rows is missing", `{"rows":[]}`: "version is missing",
		`{"version":"1","rows":[],"x":1}`: `unknown field "x"`, `{"version":"1","rows":[{"idd":"a"}]}`: `rows[0]: json: unknown field "idd"`,
		`{"version":"1","rows":[{"id":"a"},{"id":1}]}`: "rows[1]", `{"version":"1","rows":[]}{}`: "something follows",
		`{"version":"1","version":"2","rows":[]}`: "there twice", `{"version":"1","rows":[`: "EOF", `{"version":"1","rows":null}`: "instead of [",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
