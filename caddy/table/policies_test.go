package table

import (
	"slices"
	"testing"
)

func of(policy string) func(*RowJSON) { return func(r *RowJSON) { r.Policy = policy } }

// A policy is named for as long as a row names it, and the change that takes the last one away says so.
func TestWhichPoliciesAreNamed(t *testing.T) {
	var table Table
	version := ""
	change := func(apply func(to string, rows *Rows) error, to string, given []RowJSON, left, named []string) {
		t.Helper()
		rows, ready := rowsOf(given...), 0
		rows.Ready = func() {
			if ready++; table.Version() != version {
				t.Error("requests saw the change before it was ready")
			}
		}
		if err := apply(to, rows); err != nil {
			t.Fatal(err)
		}
		version = to
		if got := rows.Left(); ready != 1 || !slices.Equal(got, left) {
			t.Errorf("%s: left are %v, ready %d times", to, got, ready)
		}
		for _, policy := range []string{"p", "q", "r"} {
			if table.Names(policy) != slices.Contains(named, policy) {
				t.Errorf("%s: %s is named: %v", to, policy, table.Names(policy))
			}
		}
	}
	patch := func(remove ...string) func(string, *Rows) error {
		return func(to string, rows *Rows) error { return table.Patch(version, to, remove, rows) }
	}
	a, b, c := rowJSON("a", "a.test", of("p")), rowJSON("b", "b.test", of("p")), rowJSON("c", "c.test", of("q"))
	change(table.Replace, "1", []RowJSON{a, b, c}, nil, []string{"p", "q"})
	change(patch("a"), "2", nil, nil, []string{"p", "q"})
	change(patch("b", "unknown"), "3", nil, []string{"p"}, []string{"q"})
	change(patch(), "4", []RowJSON{rowJSON("c", "c2.test", of("r"))}, []string{"q"}, []string{"r"})
	change(patch("c"), "5", []RowJSON{rowJSON("d", "d.test", of("r"))}, nil, []string{"r"})
	change(table.Replace, "6", []RowJSON{a}, []string{"r"}, []string{"p"})
	change(table.Replace, "7", []RowJSON{b}, nil, []string{"p"})
}

func TestPoliciesThatAreNotThere(t *testing.T) {
	asked := map[string]int{}
	rows := rowsOf(rowJSON("a", "a.test", of("p")), rowJSON("b", "b.test", of("q")), rowJSON("c", "c.test", of("q")), rowJSON("d", "d.test", redirectTo(443)))
	rows.Ready = func() { t.Error("a change that is refused was ready") }
	rows.DemandPolicies(func(policy string) bool {
		asked[policy]++
		return policy == "p"
	})
	rows.Refuse(Problem{"set", "wrong"})
	var table Table
	found := problemsOf(t, table.Replace("1", rows))
	if len(found) != 3 || len(found["b"]) != 1 || len(found["c"]) != 1 || len(found["set"]) != 1 {
		t.Errorf("problems are %v", found)
	}
	if len(asked) != 2 || asked["p"] != 1 || asked["q"] != 1 || table.Names("p") {
		t.Errorf("asked for %v", asked)
	}
}
