package sample

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestOnePerSecond counts what passes from several goroutines, over more than one second.
func TestOnePerSecond(t *testing.T) {
	var limiter Limiter
	var passed, suppressed, asked atomic.Int64
	start := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for time.Since(start) < 1200*time.Millisecond {
				asked.Add(1)
				if held, ok := limiter.Allow("rule"); ok {
					passed.Add(1)
					suppressed.Add(int64(held))
				}
			}
		})
	}
	all.Wait()
	// 1.2 seconds touch two or three seconds of the clock.
	if n := passed.Load(); n < 2 || n > 3 {
		t.Errorf("%d passed", n)
	}
	if suppressed.Load() == 0 || suppressed.Load() > asked.Load() {
		t.Errorf("%d suppressed of %d", suppressed.Load(), asked.Load())
	}
}

func TestOtherKeysHaveTheirOwnSecond(t *testing.T) {
	var limiter Limiter
	passed := 0
	for i := range 100 {
		if _, ok := limiter.Allow(string(rune('a' + i))); ok {
			passed++
		}
	}
	// A few may share a slot.
	if passed < 80 {
		t.Errorf("%d of 100 passed", passed)
	}
}
