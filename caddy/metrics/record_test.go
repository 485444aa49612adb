package metrics

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"sync"
	"testing"
	"time"

	"gatewright.dev/caddy/exchange"
)

// anExchange is one of any kind.
func anExchange(random *rand.Rand, at time.Time) (*exchange.Exchange, *http.Request) {
	e := ended([]int{200, 200, 200, 404, 502, 499, 777, 0}[random.IntN(8)], time.Duration(random.ExpFloat64()*float64(50*time.Millisecond)))
	e.Start = at.Add(-e.Duration)
	e.Received.Store(random.Int64N(1 << 40))
	e.Sent.Store(random.Int64N(5000))
	for range random.IntN(3) {
		e.Try(fmt.Sprint("web-", random.IntN(4)), fmt.Sprintf("10.0.0.%d:80", random.IntN(5)))
		e.Last().FirstByte = time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		if e.Last().Status = 200; random.IntN(5) == 0 {
			e.Last().Failure = exchange.Refused
		}
	}
	if random.IntN(6) == 0 {
		e.Refuse("rate_limit", "")
		e.Decision = time.Duration(random.IntN(int(time.Second)))
	}
	r := &http.Request{Method: []string{"GET", "POST"}[random.IntN(2)], ProtoMajor: 1 + random.IntN(3), ProtoMinor: random.IntN(2)}
	return e, r
}

// said is all that an ingress tells.
func said(i *Ingress, now time.Time) (told, [3]slot) {
	var sums [3]slot
	var starts [3]int64
	for at, window := range windows {
		starts[at] = startOf(window, tickOf(now))
	}
	i.mu.Lock()
	record := i.open()
	record.ring.sum(&starts, &sums)
	i.leave(record)
	i.mu.Unlock()
	// It has no series of its own.
	var other told
	i.tell(&other)
	return other, sums
}

// What is counted in a record that is packed between any two requests, or now and then, is what one says that never is.
func TestPackedRecordsSayWhatOthersSay(t *testing.T) {
	alone(t)
	random := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		never, packed := &Ingress{busy: &record{}}, &Ingress{}
		other := &Ingress{} // whose records the scratch had before
		now := time.Unix(1_800_000_000, 0)
		for n := range 300 {
			now = now.Add(time.Duration(random.ExpFloat64() * float64(4*time.Second)))
			if random.IntN(100) == 0 {
				now = now.Add(10 * time.Minute)
			}
			e, r := anExchange(random, now)
			for _, i := range []*Ingress{never, packed} {
				i.Begin()
				i.End(e, r)
				i.Handshake(Succeeded)
				if n%7 == 0 {
					i.Eject(EjectedByCheck, n)
				}
			}
			if packed.busy != nil && random.IntN(3) == 0 {
				packed.rest(tickOf(now) + 2)
			}
			e, r = anExchange(random, now)
			other.Begin()
			other.End(e, r)
			wantCounts, wantTraffic := said(never, now)
			gotCounts, gotTraffic := said(packed, now)
			if !reflect.DeepEqual(gotCounts, wantCounts) || !reflect.DeepEqual(gotTraffic, wantTraffic) {
				t.Fatalf("after %d requests\n got %+v\n     %+v\nwant %+v\n     %+v", n+1, gotCounts, gotTraffic, wantCounts, wantTraffic)
			}
		}
	}
}

func TestRecordsArePackedUnlessTheyAreBusy(t *testing.T) {
	alone(t)
	i := of("a/0", "shop")
	begin := time.Unix(1_800_000_000, 0)
	request := func(at time.Time) {
		e := ended(200, 0)
		e.Start = at
		i.Begin()
		i.End(e, get)
	}
	for range busyRequests - 1 {
		request(begin)
	}
	if i.busy != nil {
		t.Error("kept after few requests")
	}
	request(begin)
	if i.busy == nil || len(resting.busy) == 0 {
		t.Fatal("packed though it is busy")
	}
	now := tickOf(begin)
	for _, c := range []struct {
		at     int64
		packed bool
	}{{now, false}, {now + 1, false}, {now + 2, true}, {now + 2, true}} {
		if packed := i.rest(c.at); packed != c.packed || (i.busy == nil) != c.packed {
			t.Errorf("%d ticks later: packed %v", c.at-now, packed)
		}
	}
	if got := TrafficOf("a", begin).Windows["60"].Requests; got != busyRequests {
		t.Errorf("%d requests are told", got)
	}
	if ringBytes.Load() != i.ringSize || i.ringSize != int64(len(i.packed.bytes)-i.packed.ring) {
		t.Errorf("%d bytes counted, %d of the ingress", ringBytes.Load(), i.ringSize)
	}
}

func TestBusyRecordsAreLookedAtUntilTheyArePacked(t *testing.T) {
	alone(t)
	r := &restings{}
	busy, idle := of("a/0", ""), of("b/0", "")
	at := time.Unix(1_800_000_000, 0)
	for n := range 2 * busyRequests {
		e := ended(200, 0)
		e.Start = at.Add(time.Duration(n/busyRequests) * tick)
		if n < busyRequests {
			idle.End(e, get)
		}
		busy.End(e, get)
	}
	r.busy, r.timed = []*Ingress{busy, idle}, true
	r.pack(tickOf(at) + 2)
	if idle.busy != nil || busy.busy == nil || len(r.busy) != 1 || !r.timed {
		t.Errorf("idle %v, busy %v, %d left, timed %v", idle.busy == nil, busy.busy == nil, len(r.busy), r.timed)
	}
	r.pack(tickOf(at) + 3)
	if busy.busy != nil || len(r.busy) != 0 || r.timed {
		t.Errorf("busy %v, %d left, timed %v", busy.busy == nil, len(r.busy), r.timed)
	}
}

// Records are lent to ingresses that have locks of their own: the race detector tells one that is used after it was given back.
func TestIngressesAreCountedSideBySide(t *testing.T) {
	alone(t)
	begin := time.Unix(1_800_000_000, 0)
	const each = 500
	var all sync.WaitGroup
	for _, id := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			i := of(id+"/0", id)
			for n := range each {
				e := ended(200, time.Millisecond)
				e.Start = begin.Add(time.Duration(n) * 2 * time.Second)
				i.Begin()
				i.End(e, get)
			}
		})
	}
	all.Wait()
	for _, id := range []string{"a", "b", "c", "d"} {
		if got, _ := said(of(id+"/0", id), begin); len(got.counts.requests) != 1 || got.counts.requests[0].count != each {
			t.Errorf("%s: %+v", id, got.counts.requests)
		}
	}
}
