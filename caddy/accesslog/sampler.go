package accesslog

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

// slots bounds the memory; rules that share a slot share its count.
const slots = 4096

// sampler lets a share of the lines of each rule through, and counts the others.
type sampler struct{ skipped [slots]atomic.Uint64 }

var seed = maphash.MakeSeed()

// allow tells whether a line of a rule is to be written, and how many of the rule were not since the last one.
func (s *sampler) allow(rule string, share float64) (suppressed uint64, ok bool) {
	slot := &s.skipped[maphash.String(seed, rule)%slots]
	if rand.Float64() >= share {
		slot.Add(1)
		return 0, false
	}
	if slot.Load() == 0 {
		return 0, true
	}
	return slot.Swap(0), true
}
