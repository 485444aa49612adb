package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gatewright.dev/caddy/exchange"
)

func TestQuantilesAreNear(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var all spread
		var exact []time.Duration
		for range 1 + random.IntN(500) {
			took := time.Duration(math.Exp(random.Float64()*18) * float64(time.Microsecond))
			exact = append(exact, took)
			all.add(took)
		}
		slices.Sort(exact)
		for _, q := range []float64{0.5, 0.95, 0.99} {
			want := exact[max(int(math.Ceil(q*float64(len(exact)))), 1)-1]
			got := all.quantile(q)
			if off := (got - want).Abs(); float64(off) > 0.0626*float64(want) && off > 64*time.Microsecond {
				t.Errorf("p%v of %d: %v, exactly %v", q*100, len(exact), got, want)
			}
		}
	}
	if got := (spread)(nil).quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	var extremes spread
	for _, took := range []time.Duration{-1, 0, math.MaxInt64} {
		extremes.add(took)
	}
	if len(extremes) != 2 || extremes.quantile(0.1) > 100*time.Microsecond || extremes.quantile(1) < 24*time.Hour {
		t.Errorf("extremes: %v", extremes)
	}
}

func ended(status int, took time.Duration, attempts ...exchange.Attempt) *exchange.Exchange {
	e := &exchange.Exchange{Status: status, Duration: took, Attempts: attempts}
	e.Received.Store(3)
	e.Sent.Store(7)
	return e
}

// sums are the requests in each window of a ring.
func sums(r *ring, now time.Time) (requests [3]uint32) {
	var starts [3]int64
	for i, window := range windows {
		starts[i] = startOf(window, tickOf(now))
	}
	var all [3]slot
	r.sum(&starts, &all)
	for i := range all {
		requests[i] = all[i].requests
	}
	return requests
}

// A request each second for an hour: each window has what its slots cover, and never less than is promised.
func TestWindowsMoveOn(t *testing.T) {
	r := &ring{}
	begin := time.Unix(1_800_000_007, 0)
	for s := range 3600 {
		now := begin.Add(time.Duration(s) * time.Second)
		r.add(now, ended(200, time.Millisecond))
		for i, got := range sums(r, now) {
			window := windows[i]
			seconds := now.Unix() - startOf(window, tickOf(now))*10
			if want := min(int64(s)+1, seconds+1); int64(got) != want {
				t.Fatalf("after %d s, window %d (%d s): %d requests, want %d", s, window, seconds, got, want)
			}
			if least := map[int64]int64{60: 50, 300: 240, 900: 840}[window]; seconds < least || seconds > window {
				t.Fatalf("window %d covers %d s", window, seconds)
			}
		}
	}
	if len(r.recent) > minute || len(r.old) > keptTicks/minute+1 {
		t.Errorf("%d slots of the last minute and %d older ones", len(r.recent), len(r.old))
	}
	later := begin.Add(2 * time.Hour)
	if got := sums(r, later); got != [3]uint32{} {
		t.Errorf("hours later: %v", got)
	}
	r.add(later, ended(200, time.Millisecond))
	if got := sums(r, later); got != [3]uint32{1, 1, 1} || len(r.recent)+len(r.old) != 1 {
		t.Errorf("after hours without traffic: %v, %d and %d slots", got, len(r.recent), len(r.old))
	}
	// The clock is put back.
	r.add(begin, ended(200, time.Millisecond))
	if got := sums(r, later); got[0] != 2 {
		t.Errorf("after the clock was put back: %v", got)
	}
}

func TestSlotsAreBounded(t *testing.T) {
	r := &ring{}
	now := time.Unix(1_800_000_000, 0)
	for i := range 2000 {
		r.add(now.Add(time.Duration(i)*time.Second/2), ended(200+i%800, time.Duration(i)*time.Millisecond, exchange.Attempt{
			Target: fmt.Sprint("t", i), Address: fmt.Sprint(i), FirstByte: time.Duration(i) * time.Millisecond, Status: 200,
		}))
	}
	for _, s := range append(r.recent, r.old...) {
		if len(s.targets) > maxTargets+1 || len(s.statuses) > maxStatuses+10 {
			t.Errorf("a slot has %d targets and %d statuses", len(s.targets), len(s.statuses))
		}
	}
	if size := r.size(); size > 64<<10 {
		t.Errorf("a ring has %d bytes", size)
	}
}
