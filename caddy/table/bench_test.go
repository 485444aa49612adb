package table

import (
	"fmt"
	"runtime"
	"testing"
)

func benchTable(b *testing.B, n int) *Table {
	b.Helper()
	rows := NewRows()
	for i := range n {
		r := RowJSON{
			ID: fmt.Sprintf("c%023d/0", i), Ingress: fmt.Sprintf("app-%d", i), Port: 80, Host: fmt.Sprintf("app-%d.apps.example.com", i),
			Policy: "0123456789abcdef", Targets: []Target{{Instance: fmt.Sprintf("vm-%d", i), Port: 8080}},
		}
		rows.Add(&r)
	}
	wild := RowJSON{ID: "w", Port: 80, Host: "{i}.dev.example.com", Policy: "p", Targets: []Target{{Instance: "{i}", Port: 80}}}
	rows.Add(&wild)
	table := &Table{}
	if err := table.Replace("1", rows); err != nil {
		b.Fatal(err)
	}
	return table
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		table := benchTable(b, n)
		requests := make([]Request, 4096)
		for i := range requests {
			requests[i] = Request{Port: 80, Host: fmt.Sprintf("app-%d.apps.example.com", i*7919%n), Path: "/", Method: "GET"}
		}
		b.Run(fmt.Sprintf("literal/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if row, _, _ := table.Lookup(&requests[i%len(requests)]); row == nil {
					b.Fatal("no row")
				}
			}
		})
		wild := Request{Port: 80, Host: "web-1.dev.example.com", Path: "/", Method: "GET"}
		b.Run(fmt.Sprintf("wildcard/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if row, _, _ := table.Lookup(&wild); row == nil {
					b.Fatal("no row")
				}
			}
		})
	}
}

func BenchmarkPatch(b *testing.B) {
	table := benchTable(b, 100_000)
	for i := 0; b.Loop(); i++ {
		r := RowJSON{ID: "n", Port: 80, Host: fmt.Sprintf("new-%d.apps.example.com", i), Policy: "p"}
		rows := NewRows()
		rows.Add(&r)
		if err := table.Patch(table.Version(), fmt.Sprint(i), nil, rows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports the heap that a row takes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		table := benchTable(b, 100_000)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/row")
		runtime.KeepAlive(table)
	}
}
