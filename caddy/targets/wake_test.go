package targets

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// D7: one limit for the whole process let the hosts of one rule keep all others from being woken.
func TestWakesOfARuleAreItsOwn(t *testing.T) {
	b := newWakeBoard()
	for i := range maxWakes {
		if err := b.ask(fmt.Sprint("vm-", i), "many/0"); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := b.ask("one-more", "many/0"); !errors.Is(err, ErrTooManyWakes) {
		t.Errorf("got %v", err)
	}
	// Who waits already goes on waiting, and other rules are not concerned.
	if err := b.ask("vm-0", "many/0"); err != nil {
		t.Errorf("one that waits: %v", err)
	}
	failed := b.entries["vm-1"]
	failed.collected, failed.done, failed.failed = time.Now(), time.Now().Add(-2*wakeFailedFor), true
	if err := b.ask("vm-1", "many/0"); err != nil {
		t.Errorf("one that failed before: %v", err)
	}
	if err := b.ask("other", "other/0"); err != nil {
		t.Errorf("another rule: %v", err)
	}
	if names := b.collect(); len(names) != maxWakes+1 {
		t.Errorf("%d names", len(names))
	}
	b.awake("vm-0")
	if err := b.ask("one-more", "many/0"); err != nil {
		t.Errorf("after one is awake: %v", err)
	}
	// What is long done makes room.
	b.finish("vm-1", WakeResult{})
	b.entries["vm-1"].done = time.Now().Add(-2 * wakeFailedFor)
	if err := b.ask("yet-another", "many/0"); err != nil {
		t.Errorf("after one is done: %v", err)
	}
	for name := range b.entries {
		b.awake(name)
	}
	if len(b.counts) != 0 {
		t.Errorf("counts are left: %v", b.counts)
	}
}
