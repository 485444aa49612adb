package metrics

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// alone gives a test ingresses of its own, whose names are by their ids.
func alone(t testing.TB) (names map[string]string) {
	t.Helper()
	clear := func() {
		for at := range shards {
			shards[at].by = nil
		}
		gathering = gatherer{}
		ringBytes.Store(0)
		resting.mu.Lock()
		resting.busy = nil
		resting.mu.Unlock()
	}
	clear()
	// No sweep but those of the test.
	swept.Store(1 << 40)
	before := Ingresses
	names = map[string]string{}
	Ingresses = func() map[string]string { return names }
	t.Cleanup(func() {
		Ingresses = before
		swept.Store(0)
		clear()
	})
	return names
}

var get = &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1}

func visit(id, name string) {
	i := of(id+"/0", name)
	i.Begin()
	e := ended(200, time.Millisecond)
	e.Start = time.Unix(1_800_000_000, 0)
	i.End(e, get)
}

// requests are those of each label.
func requests(list []told) map[string]uint64 {
	by := map[string]uint64{}
	for _, t := range list {
		for _, c := range t.counts.requests {
			by[t.label] += c.count
		}
	}
	return by
}

func TestNoSeriesDecreasesWhenPlacesChange(t *testing.T) {
	names := alone(t)
	const places = 10
	random := rand.New(rand.NewPCG(3, 4))
	now := time.Unix(1_800_000_000, 0)
	last, total, changes := map[string]uint64{}, uint64(0), 0
	for i := range 200 {
		names[fmt.Sprint("i", i)] = fmt.Sprint("name-", i)
	}
	labels := map[string]bool{}
	for round := range 300 {
		// Those that are busy change from time to time.
		for range 200 {
			at := (round/20*7 + random.IntN(20)) % 200
			visit(fmt.Sprint("i", at), names[fmt.Sprint("i", at)])
			total++
		}
		now = now.Add(15 * time.Second)
		got := requests(gathering.gather(Most{places, places}, now))
		if len(got) > places+1 {
			t.Fatalf("round %d: %d labels", round, len(got))
		}
		sum := uint64(0)
		for label, count := range got {
			if count < last[label] {
				t.Fatalf("round %d: %s went from %d to %d", round, label, last[label], count)
			}
			if !labels[label] {
				labels[label] = true
				changes++
			}
			last[label] = count
			sum += count
		}
		// What is in series that have ended is in none.
		for label, count := range last {
			if _, shown := got[label]; !shown {
				sum += count
			}
		}
		if sum != total {
			t.Fatalf("round %d: %d requests in all series, %d were counted", round, sum, total)
		}
	}
	if changes < 50 {
		t.Errorf("only %d ingresses had a place", changes)
	}
}

func TestTheBusiestHaveNames(t *testing.T) {
	names := alone(t)
	for i := range 50 {
		id := fmt.Sprint("i", i)
		names[id] = fmt.Sprintf("name-%02d", i)
		for range i + 1 {
			visit(id, names[id])
		}
	}
	now := time.Unix(1_800_000_000, 0)
	got := requests(gathering.gather(Most{3, 3}, now))
	if len(got) != 4 || got["name-49"] != 50 || got["name-48"] != 49 || got["name-47"] != 48 || got[Other] != 47*48/2 {
		t.Errorf("%v", got)
	}
	// A little more is no reason to take a place.
	for range 20 {
		visit("i46", "name-46")
	}
	if got = requests(gathering.gather(Most{3, 3}, now)); got["name-46"] != 0 {
		t.Errorf("a little busier: %v", got)
	}
	for range 200 {
		visit("i46", "name-46")
	}
	if got = requests(gathering.gather(Most{3, 3}, now)); got["name-46"] != 0 || got["name-48"] != 49 || got["name-47"] != 0 || len(got) != 4 {
		t.Errorf("much busier: %v", got)
	}
	visit("i46", "name-46")
	if got = requests(gathering.gather(Most{3, 3}, now)); got["name-46"] != 1 {
		t.Errorf("its own series begin with what comes: %v", got)
	}
	if got = requests(gathering.gather(Most{0, 0}, now)); len(got) != 1 {
		t.Errorf("without places: %v", got)
	}
}

func TestIngressesThatAreGoneAreForgotten(t *testing.T) {
	names := alone(t)
	names["a"], names["b"], names["c"] = "one", "two", "three"
	for _, id := range []string{"a", "b", "c"} {
		visit(id, names[id])
	}
	visit("a", "one")
	now := time.Unix(1_800_000_000, 0)
	if got := requests(gathering.gather(Most{1, 1}, now)); got["one"] != 2 || got[Other] != 2 {
		t.Fatalf("%v", got)
	}
	under := of("b/0", "two")
	under.Begin()
	delete(names, "a")
	delete(names, "b")
	// The name is another ingress's now.
	names["d"] = "one"
	visit("d", "one")
	got := requests(gathering.gather(Most{1, 1}, now))
	if got[Other] < 2 {
		t.Errorf("the others' series decreased: %v", got)
	}
	if known("a") != nil || known("b") != nil {
		t.Error("an ingress that is gone is kept")
	}
	// A request that was under way ends.
	under.End(ended(200, time.Millisecond), get)
	if again := requests(gathering.gather(Most{1, 1}, now)); again[Other] != got[Other]+1 {
		t.Errorf("%v after %v", again, got)
	}
	names["c"] = "renamed"
	if got := requests(gathering.gather(Most{9, 9}, now)); got["renamed"] == 0 && got["one"] == 0 {
		t.Errorf("%v", got)
	}
}

func TestRingsAreBounded(t *testing.T) {
	names := alone(t)
	for i := range 300 {
		names[fmt.Sprint("i", i)] = fmt.Sprint(i)
		e := ended(200, time.Millisecond)
		// One each ten seconds.
		e.Start = time.Unix(1_800_000_000+int64(i)*10, 0)
		i := of(fmt.Sprint("i", i), "")
		i.Begin()
		i.End(e, get)
	}
	all := func() (rings int, bytes int64) {
		each(func(_ string, i *Ingress) {
			if i.last != 0 {
				rings++
				bytes += i.ringSize
			}
		})
		return rings, bytes
	}
	now := tickOf(time.Unix(1_800_000_000+2990, 0))
	sweep(now, maxRingBytes)
	rings, bytes := all()
	if rings != keptTicks+1 || bytes != ringBytes.Load() {
		t.Errorf("%d rings of %d bytes, counted as %d", rings, bytes, ringBytes.Load())
	}
	sweep(now, bytes/2)
	if rings, bytes := all(); bytes > ringBytes.Load() || rings < 30 || rings > 60 || of("i299", "").last == 0 {
		t.Errorf("of half the bytes: %d rings", rings)
	}
}

func TestHandshakesStayWhereTheyWereCounted(t *testing.T) {
	names := alone(t)
	names["a"], names["b"] = "shop", "blog"
	now := time.Unix(1_800_000_000, 0)
	handshakes := func() map[string]uint64 {
		by := map[string]uint64{}
		for _, t := range gathering.gather(Most{1, 1}, now) {
			by[t.label] += t.counts.handshakes.of(Succeeded)
		}
		return by
	}
	visit("a", "shop")
	of("b/0", "blog").Handshake(Succeeded)
	if got := handshakes(); got["shop"] != 0 || got[Other] != 1 {
		t.Errorf("%v", got)
	}
	for range 10 {
		visit("b", "blog")
	}
	// Told now, with its place, and what was counted before it had one stays with the others.
	if got := handshakes(); got[Other] != 1 || got["blog"] != 0 {
		t.Errorf("when it gets a place: %v", got)
	}
	of("b/0", "blog").Handshake(Succeeded)
	of("b/0", "blog").Handshake(Failed)
	if got := handshakes(); got[Other] != 1 || got["blog"] != 1 {
		t.Errorf("with a place: %v", got)
	}
}

// timesOf are the observations of each label that has histograms of its own.
func timesOf(list []told) map[string]uint64 {
	by := map[string]uint64{}
	for _, family := range families(list) {
		if family.Name == prefix+"request_duration_seconds" {
			for _, sample := range family.Samples {
				by[sample.Labels[0]] = sample.Count
			}
		}
	}
	return by
}

func TestHistogramsOfFewerIngressesThanCounters(t *testing.T) {
	names := alone(t)
	for i := range 20 {
		id := fmt.Sprint("i", i)
		names[id] = fmt.Sprintf("name-%02d", i)
		for range i + 1 {
			visit(id, names[id])
		}
	}
	now := time.Unix(1_800_000_000, 0)
	gather := func(most Most) (map[string]uint64, map[string]uint64) {
		list := gathering.gather(most, now)
		return requests(list), timesOf(list)
	}
	const all = 20 * 21 / 2
	counted, timed := gather(Most{10, 2})
	if len(counted) != 11 || counted["name-10"] != 11 {
		t.Errorf("counters: %v", counted)
	}
	if len(timed) != 3 || timed["name-19"] != 20 || timed["name-18"] != 19 || timed[Other] != all-39 {
		t.Errorf("histograms: %v", timed)
	}
	// One that becomes busy keeps its counters, and its histograms begin with what comes.
	for range 100 {
		visit("i12", "name-12")
	}
	gather(Most{10, 2})
	visit("i12", "name-12")
	counted, timed = gather(Most{10, 2})
	if counted["name-12"] != 114 || timed["name-12"] != 1 || timed["name-19"] != 20 || len(timed) != 3 {
		t.Errorf("counters: %v, histograms: %v", counted, timed)
	}
	// name-18's own histograms have ended; all the others' are with the others.
	if timed[Other] != all+100-39 {
		t.Errorf("the others' histograms: %v", timed)
	}
	// Who goes leaves what was in none of its own series.
	delete(names, "i12")
	if counted, timed = gather(Most{10, 2}); timed[Other] != all+100-39 || counted["name-12"] != 0 {
		t.Errorf("when it is gone: %v", timed)
	}
	if _, timed = gather(Most{10, 0}); len(timed) != 1 {
		t.Errorf("histograms without places: %v", timed)
	}
	// No more than have counters.
	if counted, timed = gather(Most{3, 9}); len(counted) != 4 || len(timed) > 4 {
		t.Errorf("%v, %v", counted, timed)
	}
}

// A hundred thousand ingresses that are all asked make no more than a few thousand series.
func TestSeriesAreFew(t *testing.T) {
	names := alone(t)
	for i := range 3000 {
		id := fmt.Sprint("i", i)
		names[id] = fmt.Sprint("name-", i)
		visit(id, names[id])
	}
	series := 0
	for _, family := range families(gathering.gather(Most{1000, 100}, time.Unix(1_800_000_000, 0))) {
		for _, sample := range family.Samples {
			series += 1
			if family.Type == "histogram" {
				series += len(sample.Counts) + 1
			}
		}
	}
	if series > 6000 {
		t.Errorf("%d series", series)
	}
}
