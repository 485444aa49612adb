// Package sample bounds how often something is logged.
package sample

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// slots bounds the memory; keys that share a slot share its second.
const slots = 4096

// Limiter lets one event per key and second through. The zero value is ready.
type Limiter struct {
	// Each slot is the second of the last event (upper 32 bits) and how many were held back since.
	slots [slots]atomic.Uint64
}

var seed = maphash.MakeSeed()

// Allow tells whether an event is to be logged, and how many of the slot were held back since the last one that was.
func (l *Limiter) Allow(key string) (suppressed uint32, ok bool) {
	slot := &l.slots[maphash.String(seed, key)%slots]
	second := uint64(time.Now().Unix()) & 0xffffffff
	for {
		before := slot.Load()
		// One who read the clock just before another did may come after it; the second must not go back for that.
		if last := before >> 32; last == second || last == second+1 {
			if slot.CompareAndSwap(before, before+1) {
				return 0, false
			}
			continue
		}
		if slot.CompareAndSwap(before, second<<32) {
			return uint32(before), true
		}
	}
}
