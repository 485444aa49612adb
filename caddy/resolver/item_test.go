package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestAddressesAsTextAreKeptForAFewPorts(t *testing.T) {
	item := &Item{addrs: addrs("10.0.0.1", "fd00::1")}
	for port := range uint16(3 * maxDialPorts) {
		want := []string{fmt.Sprint("10.0.0.1:", port), fmt.Sprintf("[fd00::1]:%d", port)}
		first, again := item.Dials(port), item.Dials(port)
		if !slices.Equal(first, want) || &first[0] != &again[0] {
			t.Errorf("port %d: %v, then %v", port, first, again)
		}
		kept := 0
		for d := item.dials.Load(); d != nil; d = d.next {
			kept++
		}
		if kept > maxDialPorts+1 || port < maxDialPorts && kept != int(port)+1 {
			t.Errorf("after port %d the texts of %d are kept", port, kept)
		}
	}
}

func entryWith(item *Item, used int64) *entry {
	e := &entry{}
	e.item.Store(item)
	e.usedUnix.Store(used)
	return e
}

func TestWhoMakesRoom(t *testing.T) {
	known := &Item{addrs: addrs("10.0.0.1")}
	for name, c := range map[string]struct {
		entries map[string]*entry
		want    string
	}{
		"unused for longest":           {map[string]*entry{"a": entryWith(known, 30), "b": entryWith(known, 10), "c": entryWith(known, 20)}, "b"},
		"unused for longest, before 0": {map[string]*entry{"a": entryWith(known, -3), "b": entryWith(known, -2)}, "a"},
		"without an address":           {map[string]*entry{"a": entryWith(known, 30), "b": entryWith(known, 10), "c": entryWith(&Item{}, 40)}, "c"},
		"not asked for yet":            {map[string]*entry{"a": entryWith(known, 30), "b": entryWith(nil, 40)}, "b"},
	} {
		// Entries come in any order.
		for range 20 {
			s := shard{entries: make(map[string]*entry)}
			for name, e := range c.entries {
				s.entries[name] = e
			}
			s.evict()
			if _, left := s.entries[c.want]; left || len(s.entries) != len(c.entries)-1 {
				t.Fatalf("%s: left are %v", name, s.entries)
			}
		}
	}
}

func TestWhenNamesAreForgotten(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	known := &Item{addrs: addrs("10.0.0.1")}
	for name, c := range map[string]struct {
		entry *entry
		gone  bool
	}{
		"in use":                        {entryWith(known, ago(0)), false},
		"idle":                          {entryWith(known, ago(idleFor)), false},
		"idle for too long":             {entryWith(known, ago(idleFor+time.Second)), true},
		"nothing known, just asked for": {entryWith(nil, ago(10*time.Second)), false},
		"nothing known":                 {entryWith(nil, ago(11*time.Second)), true},
		"no address, still believed":    {entryWith(&Item{expires: now}, ago(11*time.Second)), false},
		"no address":                    {entryWith(&Item{expires: now.Add(-1)}, ago(11*time.Second)), true},
		"no address, just asked for":    {entryWith(&Item{expires: now.Add(-1)}, ago(10*time.Second)), false},
	} {
		s := shard{entries: map[string]*entry{"a": c.entry}}
		s.sweep(now)
		if (len(s.entries) == 0) != c.gone {
			t.Errorf("%s: forgotten: %v", name, !c.gone)
		}
	}
}

// What an answer, or a failure, makes of what was known before.
func TestWhatAnAnswerMakesKnown(t *testing.T) {
	clock := &clock{}
	now := clock.now()
	r := &Resolver{now: clock.now, minTTL: 2 * time.Second}
	failure := errors.New("failure")
	before := func(age time.Duration) *Item {
		return &Item{addrs: addrs("10.0.0.1"), ttl: 5 * time.Second, verified: now.Add(-age)}
	}
	exists := func(ttl time.Duration, texts ...string) answer {
		return answer{addrs: addrs(texts...), ttl: ttl, exists: true}
	}
	for name, c := range map[string]struct {
		found   answer
		err     error
		before  *Item
		address string
		want    error
		left    time.Duration
	}{
		"an address":              {exists(9*time.Second, "10.0.0.2"), nil, nil, "10.0.0.2", nil, 9 * time.Second},
		"an address, for long":    {exists(time.Second, "10.0.0.2"), nil, nil, "10.0.0.2", nil, 2 * time.Second},
		"no address":              {exists(9 * time.Second), nil, before(0), "", ErrNoAddress, time.Second},
		"no name":                 {answer{}, nil, before(0), "", ErrNoName, time.Second},
		"no domain name":          {answer{}, errName, before(0), "", ErrNoName, time.Second},
		"a failure":               {answer{}, failure, nil, "", failure, time.Second},
		"a failure after one":     {answer{}, failure, &Item{err: failure, verified: now}, "", failure, time.Second},
		"a failure after a while": {answer{}, failure, before(lastKnownFor - 1), "10.0.0.1", nil, time.Second},
		"a failure after an hour": {answer{}, failure, before(lastKnownFor), "", failure, time.Second},
	} {
		item := r.judge(c.found, c.err, c.before)
		got := ""
		if len(item.addrs) > 0 {
			got = item.addrs[0].String()
		}
		if got != c.address || !errors.Is(item.err, c.want) || (item.err == nil) != (c.want == nil) || item.expires.Sub(now) != c.left {
			t.Errorf("%s: %q, %v for %v", name, got, item.err, item.expires.Sub(now))
		}
		if last := c.err == failure && c.want == nil; item.failing != last || last && item.verified != c.before.verified {
			t.Errorf("%s: failing %v since %v", name, item.failing, item.verified)
		}
	}
	if heard := r.told.at; heard != now {
		t.Errorf("the manager was heard at %v", heard)
	}
}

func TestWhichNamesAreOfTheZone(t *testing.T) {
	r := newResolver("127.0.0.1:53", ".vm.test.", 0, time.Now)
	t.Cleanup(func() { _ = r.Destruct() })
	for _, c := range []struct {
		server, name, want string
		is                 bool
	}{
		{"127.0.0.1:53", "web.vm.test", "web", true},
		{"127.0.0.1:53", "Web-1.VM.test.", "web-1", true},
		{"127.0.0.1:53", "web.svc.vm.test", "web.svc", true},
		{"127.0.0.1:54", "web.vm.test", "", false},
		{"127.0.0.1:53", "web.test", "web.test.", false},
		{"127.0.0.1:53", ".vm.test", "", false},
		{"127.0.0.1:53", "vm.test", "vm.test.", false},
	} {
		if got, is := r.Instance(c.server, c.name); is != c.is || is && got != c.want {
			t.Errorf("%s at %s: %q, %v", c.name, c.server, got, is)
		}
	}
	r.external = lookupBy("")
	if _, is := r.Instance("127.0.0.1:53", "web.vm.test"); is {
		t.Error("a name outside of the zone is an instance")
	}
}

func TestPushedAddressesCountForMinTTL(t *testing.T) {
	r, server, clock := startResolver(t, 5*time.Second)
	r.Push("web", []netip.Addr{netip.MustParseAddr("10.0.0.1")})
	clock.advance(5*time.Second - 1)
	expect(t, r, "web", "10.0.0.1")
	if asked := server.Asked("web.test.internal"); asked != 0 {
		t.Errorf("asked %d times for what was told", asked)
	}
}
