package metrics

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"gatewright.dev/caddy/exchange"
)

// BenchmarkRequest is what counting a request costs, of one ingress or of many in turn.
func BenchmarkRequest(b *testing.B) {
	for _, many := range []int{1, 100_000} {
		b.Run(fmt.Sprint(many), func(b *testing.B) {
			alone(b)
			rows := make([]string, many)
			for i := range rows {
				rows[i] = fmt.Sprintf("ingress-%d/0", i)
			}
			e := &exchange.Exchange{Status: 200, Duration: time.Millisecond, Start: time.Now()}
			e.Try("web-1", "10.0.0.5:8080")
			e.Last().FirstByte, e.Last().Status = time.Millisecond, 200
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				i := of(rows[n%many], "shop")
				i.Begin()
				Observe(e)
				i.End(e, get)
			}
		})
	}
}

// BenchmarkGather is a scrape of 100,000 ingresses that have all had traffic since the last one.
func BenchmarkGather(b *testing.B) {
	names := alone(b)
	const many = 100_000
	for i := range many {
		names[fmt.Sprint("i", i)] = fmt.Sprint("name-", i)
	}
	now := time.Now()
	for b.Loop() {
		b.StopTimer()
		for id, name := range names {
			visit(id, name)
		}
		b.StartTimer()
		now = now.Add(15 * time.Second)
		if err := json.NewEncoder(discard{}).Encode(families(gathering.gather(Most{1000, 100}, now))); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkMemory reports the heap that an ingress takes: after one request, and with ten a second for a quarter of an hour.
func BenchmarkMemory(b *testing.B) {
	for name, c := range map[string]struct{ ingresses, requests int }{"once": {100_000, 1}, "busy": {100, 9000}} {
		b.Run(name, func(b *testing.B) {
			heap := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			for b.Loop() {
				alone(b)
				ids := make([]string, c.ingresses)
				for i := range ids {
					ids[i] = fmt.Sprint("ingress-", i, "/0")
				}
				before := heap()
				for n := range c.requests {
					for _, id := range ids {
						e := ended(200, time.Duration(1+n*7919%20000)*time.Microsecond)
						e.Start = time.Unix(1_800_000_000, 0).Add(time.Duration(n) * 100 * time.Millisecond)
						e.Try("web-1", "10.0.0.5:8080")
						e.Last().FirstByte, e.Last().Status = e.Duration, 200
						of(id, "shop").Begin()
						of(id, "shop").End(e, get)
					}
				}
				b.ReportMetric(float64(heap()-before)/float64(c.ingresses), "bytes/ingress")
			}
		})
	}
}
