package targets

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// An instance that has an address need not be woken any more.
func TestWhoIsAwake(t *testing.T) {
	if err := Wake("0", "r/0"); err != nil {
		t.Fatal(err)
	}
	fieldOf(1).Awake()
	if names := wakes.collect(); len(names) != 0 {
		t.Errorf("still to be woken: %v", names)
	}
}

// Only an instance that exists and has no address can be woken.
func TestWhoIsAsleep(t *testing.T) {
	names := resolver.New("127.0.0.1:1", "", time.Hour)
	t.Cleanup(func() { _ = names.Destruct() })
	names.Push("asleep", nil)
	names.PushUnknown("nobody")
	names.Push("awake", []netip.Addr{netip.MustParseAddr("10.0.0.1")})
	wake := func(name string, ms int64) table.Target { return table.Target{Instance: name, WakeMS: ms} }
	for name, c := range map[string]struct {
		targets []table.Target
		asleep  []string
		wait    time.Duration
	}{
		"asleep":                 {[]table.Target{wake("asleep", 70)}, []string{"asleep"}, 70 * time.Millisecond},
		"one of them":            {[]table.Target{wake("awake", 90), wake("asleep", 70)}, []string{"asleep"}, 70 * time.Millisecond},
		"twice":                  {[]table.Target{wake("asleep", 70), wake("asleep", 60)}, []string{"asleep", "asleep"}, 70 * time.Millisecond},
		"nobody":                 {[]table.Target{wake("nobody", 70)}, nil, 0},
		"not to be woken":        {[]table.Target{wake("asleep", 0)}, nil, 0},
		"not to be woken, heavy": {[]table.Target{{Instance: "asleep", Weight: func() *int { two := 2; return &two }()}}, nil, 0},
	} {
		var f Field
		f.Find(t.Context(), &Search{Row: rowOf(t, c.targets...), Guard: &resolver.Guard{}, Resolver: names})
		if !slices.Equal(f.Sleeping, c.asleep) || f.Wake != c.wait {
			t.Errorf("%s: %v asleep, wait %v", name, f.Sleeping, f.Wake)
		}
	}
}

func TestWhenAWakeIsAskedForAgain(t *testing.T) {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	const moment = 100 * time.Millisecond
	for name, c := range map[string]struct {
		entry *wakeEntry
		again bool
		err   error
		swept bool
	}{
		"not collected yet":     {&wakeEntry{}, false, nil, false},
		"just collected":        {&wakeEntry{collected: ago(0)}, false, nil, false},
		"no word for a while":   {&wakeEntry{collected: ago(wakeAgain + moment)}, true, nil, false},
		"no word for long":      {&wakeEntry{collected: ago(wakeKept + moment)}, true, nil, true},
		"just starting":         {&wakeEntry{collected: ago(moment), done: ago(0)}, false, nil, false},
		"starting for a while":  {&wakeEntry{collected: ago(wakeAgain + moment), done: ago(wakeAgain)}, false, nil, true},
		"starting for too long": {&wakeEntry{collected: ago(wakeKept + moment), done: ago(wakeKept + moment)}, true, nil, true},
		"just failed":           {&wakeEntry{collected: ago(moment), done: ago(0), failed: true}, false, ErrNotWoken, false},
		"failed before":         {&wakeEntry{collected: ago(wakeFailedFor + 2*moment), done: ago(wakeFailedFor + moment), failed: true}, true, nil, true},
	} {
		b := newWakeBoard()
		b.entries["vm"], b.counts["r/0"], c.entry.rule = c.entry, 1, "r/0"
		added := b.added
		if err := b.ask("vm", "r/0"); err != c.err {
			t.Errorf("%s: %v", name, err)
		}
		told := false
		select {
		case <-added:
			told = true
		default:
		}
		if again := b.entries["vm"] != c.entry; again != c.again || told != c.again || b.counts["r/0"] != 1 {
			t.Errorf("%s: asked for again %v, told %v, %d of the rule", name, again, told, b.counts["r/0"])
		}
		b.entries["vm"] = c.entry
		if b.sweep(time.Now()); (len(b.entries) == 0) != c.swept {
			t.Errorf("%s: %d are left", name, len(b.entries))
		}
	}
}

func TestWhatBecomesOfAWake(t *testing.T) {
	b := newWakeBoard()
	for _, name := range []string{"a", "b"} {
		if err := b.ask(name, "r/0"); err != nil {
			t.Fatal(err)
		}
	}
	names := b.collect()
	slices.Sort(names)
	if again := b.collect(); !slices.Equal(names, []string{"a", "b"}) || len(again) != 0 {
		t.Errorf("collected are %v, then %v", names, again)
	}
	b.finish("a", WakeResult{Error: "no"})
	b.finish("b", WakeResult{})
	b.finish("unknown", WakeResult{})
	if err := b.ask("a", "r/0"); err != ErrNotWoken {
		t.Errorf("a failure is told as %v", err)
	}
	if err := b.ask("b", "r/0"); err != nil || len(b.entries) != 2 {
		t.Errorf("%v, %d entries", err, len(b.entries))
	}
}
