package certificates

import (
	"testing"
	"time"
)

func TestOrdersInAMinute(t *testing.T) {
	for _, one := range []struct {
		perMinute, most int
		window          time.Duration
	}{{1, 1, time.Minute}, {5, 5, time.Minute}, {6, 1, 10 * time.Second}, {60, 10, 10 * time.Second}, {1_000_000, 166_666, 10 * time.Second}} {
		if most, window := ordersOf(one.perMinute); most != one.most || window != one.window {
			t.Errorf("%d a minute: %d in %v", one.perMinute, most, window)
		}
	}
}

func TestTheMostOrdersOfTheEnvironment(t *testing.T) {
	for text, want := range map[string]int{"": 0, "0": 0, "-3": 0, "many": 0, "1": 1, "300": 300} {
		if most, ok := perMinute(text); ok != (want > 0) || ok && most != want {
			t.Errorf("%q: %d, %v", text, most, ok)
		}
	}
}

// What a process that another one replaces waits for.
func TestOrdersThatAreUnderWay(t *testing.T) {
	tries := attemptTable{byName: map[string]attempt{}}
	expect := func(want int, after string) {
		t.Helper()
		if count := tries.underWay(); count != want {
			t.Errorf("%d after %s, want %d", count, after, want)
		}
	}
	expect(0, "nothing")
	tries.begin("a.test", time.Now())
	tries.begin("b.test", time.Now())
	tries.begin("b.test", time.Now())
	expect(2, "two began")
	tries.fail("a.test", "refused", false, time.Now())
	expect(1, "one failed")
	tries.begin("a.test", time.Now())
	expect(2, "its next try")
	tries.forget("a.test")
	tries.forget("b.test")
	expect(0, "both were signed")
}
