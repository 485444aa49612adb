package certificates

import (
	"testing"

	"gatewright.dev/caddy/app"
)

// TestWhatIsStagedIsNotOrdered until it is stored, and what went staged is ordered on: a change that is taken back costs nothing.
func TestWhatIsStagedIsNotOrdered(t *testing.T) {
	w := newWorld(t)
	commit := func() {
		t.Helper()
		w.staged = false
		if err := app.HostTable().Commit(app.HostTable().Version()); err != nil {
			t.Fatal(err)
		}
	}
	w.staged = true
	w.add("gate", "back.test", "stored.test", "there.test")
	w.add("internal", "internal.test")
	// Nobody outside is asked for it.
	w.must("internal.test")
	w.mustNot("stored.test")
	w.remove("back.test")
	// What is stored in the meantime ends no wait.
	w.load()
	commit()
	for _, host := range []string{"stored.test", "there.test"} {
		w.untilServed(host)
	}
	if got := count(gates.orders, "back.test"); got != 0 {
		t.Errorf("what was taken back was ordered %d times", got)
	}
	set(func() { gates.closed["slow.test"] = true })
	w.add("gate", "slow.test")
	w.until("the order", func() bool { return count(gates.orders, "slow.test") == 1 })
	w.staged = true
	w.remove("slow.test", "there.test")
	w.staged = false
	w.add("gate", "slow.test")
	set(func() { clear(gates.closed) })
	w.untilServed("slow.test")
	if orders, ended := count(gates.orders, "slow.test"), count(gates.ended, "slow.test"); orders != 1 || ended != 0 {
		t.Errorf("it was ordered %d times, and %d orders were ended", orders, ended)
	}
	w.until("the end of what went for good", func() bool { return len(managed.inMemory("there.test")) == 0 })
	w.mustNot("there.test")
	w.staged = true
	w.add("gate", "next.test")
	w.add("internal", "next.test")
	w.staged = false
	w.add("gate", "next.test")
	w.untilServed("next.test")
}
