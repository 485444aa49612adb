package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// namedRow is a row of TLS, for a name that is `subject issuer`, or for none.
func namedRow(id, host, name string) *RowJSON {
	row := &RowJSON{ID: id, Port: 443, Host: host, TLS: true, Redirect: &Redirect{Port: 443}}
	if subject, issuer, ok := strings.Cut(name, " "); ok {
		row.ManagedName = &ManagedName{Subject: subject, Issuer: issuer}
	}
	return row
}

func TestNamesComeWithTheFirstRowAndGoWithTheLast(t *testing.T) {
	table := new(Table)
	var told []string
	table.FollowNames(func(came, went []ManagedName, _ bool) {
		var changes []string
		for sign, names := range map[string][]ManagedName{"+": came, "-": went} {
			for _, name := range names {
				changes = append(changes, sign+name.Subject+" "+name.Issuer)
			}
		}
		slices.Sort(changes)
		told = append(told, strings.Join(changes, ", "))
	})
	version := ""
	patch := func(remove []string, upsert ...*RowJSON) error {
		rows := NewRows()
		for _, row := range upsert {
			rows.Add(row)
		}
		to := fmt.Sprint(len(version), remove, len(upsert))
		err := table.Patch(version, to, remove, rows)
		if err == nil {
			version = to
		}
		return err
	}
	for _, c := range []struct {
		what   string
		remove []string
		upsert []*RowJSON
		told   string
	}{
		{"two rows with one name", nil, []*RowJSON{namedRow("a", "a.test", "*.test acme"), namedRow("b", "b.test", "*.test acme")}, "+*.test acme"},
		{"a row without", nil, []*RowJSON{namedRow("c", "c.test", "")}, ""},
		{"the first of two goes", []string{"a"}, nil, ""},
		{"the row is changed", nil, []*RowJSON{namedRow("b", "bb.test", "*.test acme")}, ""},
		{"one goes where another comes", []string{"b"}, []*RowJSON{namedRow("d", "d.test", "*.test acme")}, ""},
		{"another issuer", nil, []*RowJSON{namedRow("d", "d.test", "*.test internal")}, "+*.test internal, -*.test acme"},
		{"the last goes", []string{"d", "unknown"}, nil, "-*.test internal"},
		{"more than one", nil, []*RowJSON{namedRow("a", "a.test", "a.test acme"), namedRow("b", "b.test", "b.test acme")}, "+a.test acme, +b.test acme"},
	} {
		told = nil
		if err := patch(c.remove, c.upsert...); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := strings.Join(told, "; "); got != c.told {
			t.Errorf("%s: told %q and not %q", c.what, got, c.told)
		}
	}
	told = nil
	var refusal *Refusal
	tie := namedRow("e", "a.test", "e.test acme")
	tie.Redirect.Port++
	if err := patch(nil, tie); !errors.As(err, &refusal) || told != nil {
		t.Errorf("a change that is refused (%v) told %v", err, told)
	}
	rows := NewRows()
	rows.Add(namedRow("b", "b.test", "b.test acme"))
	rows.Add(namedRow("f", "f.test", "f.test acme"))
	if err := table.Replace("whole", rows); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told, "; "); got != "+f.test acme, -a.test acme" {
		t.Errorf("another table told %q", got)
	}
	var present []ManagedName
	table.FollowNames(func(came, _ []ManagedName, _ bool) { present = came })
	if len(present) != 2 {
		t.Errorf("who follows later is told of %v", present)
	}
}

func TestStagedNames(t *testing.T) {
	table := new(Table)
	var told []string
	table.FollowNames(func(came, went []ManagedName, staged bool) {
		told = append(told, fmt.Sprint(len(came), "-", len(went), " ", staged))
	})
	stage := func(from, to, id string, staged bool) {
		t.Helper()
		rows := NewRows()
		rows.Staged = staged
		rows.Add(namedRow(id, id+".test", id+".test acme"))
		if err := table.Patch(from, to, nil, rows); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, staged bool, want ...string) {
		t.Helper()
		if !slices.Equal(told, want) || table.IsStaged() != staged {
			t.Errorf("%s: told %q, staged %v", what, told, table.IsStaged())
		}
		told = nil
	}
	stage("", "1", "a", true)
	expect("a staged change", true, "1-0 true")
	var conflict *VersionError
	if err := table.Commit("0"); !errors.As(err, &conflict) {
		t.Errorf("another version was committed: %v", err)
	}
	expect("another version", true)
	for range 2 {
		if err := table.Commit("1"); err != nil {
			t.Fatal(err)
		}
	}
	expect("a commit, twice", false, "0-0 false")
	stage("1", "2", "b", true)
	stage("2", "3", "b", false)
	expect("a change without names on top", false, "1-0 true", "0-0 false")
	rows := NewRows()
	rows.Staged = true
	if err := table.Replace("4", rows); err != nil {
		t.Fatal(err)
	}
	expect("another table", true, "0-2 true")
}

func TestNamesThatAreRefused(t *testing.T) {
	plain := namedRow("plain", "a.test", "a.test acme")
	plain.TLS = false
	for _, row := range []*RowJSON{plain, namedRow("nobody", "a.test", "a.test "), namedRow("nothing", "a.test", " acme")} {
		if _, problems := compile(row); len(problems) != 1 || !strings.HasPrefix(problems[0], "managed_name: ") {
			t.Errorf("%s: %v", row.ID, problems)
		}
	}
}
