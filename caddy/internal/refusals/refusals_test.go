package refusals

import (
	"strconv"
	"sync"
	"testing"
)

func TestCountsAreByRuleAndStatus(t *testing.T) {
	var counts Counts
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				counts.Add("a/0", 429)
				counts.Add("b/0", 418)
			}
		})
	}
	wait.Wait()
	got := counts.Read()
	if got["a/0"][429] != 800 || got["b/0"][0] != 800 || len(got["a/0"]) != 1 {
		t.Errorf("counts are %v", got)
	}
	counts.Keep(func(rule string) bool { return rule == "a/0" })
	if got := counts.Read(); len(got) != 1 || got["a/0"][429] != 800 {
		t.Errorf("after Keep counts are %v", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var counts Counts
	for i := range maxRules + 500 {
		counts.Add(strconv.Itoa(i), 403)
	}
	got := counts.Read()
	if len(got) != maxRules+1 || got[""][403] != 500 {
		t.Errorf("%d rules, %v beyond", len(got), got[""])
	}
	counts.Add("0", 403)
	if got := counts.Read()["0"][403]; got != 2 {
		t.Errorf("a known rule has %d", got)
	}
	// Rules that have gone make room.
	counts.Keep(func(string) bool { return false })
	counts.Add("new", 403)
	if got := counts.Read(); got["new"][403] != 1 {
		t.Errorf("a new rule has no counts of its own: %v", got)
	}
}

func BenchmarkAdd(b *testing.B) {
	var counts Counts
	b.ReportAllocs()
	for b.Loop() {
		counts.Add("a/0", 429)
	}
}
