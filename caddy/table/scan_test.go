package table

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

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
