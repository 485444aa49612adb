package metrics

import (
	"cmp"
	"slices"
)

// Busiest are the keys that have series of their own: those with the largest counts, n at most, and of equal ones the first.
func Busiest[K cmp.Ordered](counts map[K]uint64, n int) map[K]bool {
	keys := make([]K, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	if len(keys) > n {
		slices.SortFunc(keys, func(a, b K) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		})
		keys = keys[:n]
	}
	busiest := make(map[K]bool, len(keys))
	for _, key := range keys {
		busiest[key] = true
	}
	return busiest
}
