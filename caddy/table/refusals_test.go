package table

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

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
