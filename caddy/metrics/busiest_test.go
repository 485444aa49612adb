package metrics

import (
	"maps"
	"slices"
	"testing"
)

func TestBusiest(t *testing.T) {
	counts := map[string]uint64{"a": 1, "b": 5, "c": 5, "d": 9}
	for n, want := range map[int][]string{0: nil, 1: {"d"}, 2: {"b", "d"}, 3: {"b", "c", "d"}, 4: {"a", "b", "c", "d"}, 9: {"a", "b", "c", "d"}} {
		if got := slices.Sorted(maps.Keys(Busiest(counts, n))); !slices.Equal(got, want) {
			t.Errorf("the %d busiest are %v, not %v", n, got, want)
		}
	}
}
