package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/room"
)

// clock is moved by the test.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_800_000_000, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func startResolver(t *testing.T, minTTL time.Duration) (*Resolver, *dnstest.Server, *clock) {
	t.Helper()
	server := dnstest.Start(t)
	clock := &clock{}
	r := newResolver(server.Address, "test.internal", minTTL, clock.now)
	r.exchanger.attempts = 3
	t.Cleanup(func() { _ = r.Destruct() })
	return r, server, clock
}

func addressesOf(r *Resolver, instance string) string {
	item := r.Lookup(context.Background(), instance, nil)
	if item.err != nil {
		return "error"
	}
	texts := make([]string, len(item.addrs))
	for i, a := range item.addrs {
		texts[i] = a.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

func expect(t *testing.T, r *Resolver, instance, want string) {
	t.Helper()
	if got := addressesOf(r, instance); got != want {
		t.Errorf("%s: got %q, want %q", instance, got, want)
	}
}

// eventually waits until an answer that is fetched in the background is there.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAnswersCountForTheirTTL(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1", "10.0.0.2"}, TTL: 5 * time.Second})
	expect(t, r, "web", "10.0.0.1 10.0.0.2")
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.3"}, TTL: 5 * time.Second})
	clock.advance(4 * time.Second)
	expect(t, r, "web", "10.0.0.1 10.0.0.2")
	if asked := server.Asked("web.test.internal"); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	// Expired, but in use: the old answer serves while the new one is fetched.
	clock.advance(2 * time.Second)
	expect(t, r, "web", "10.0.0.1 10.0.0.2")
	eventually(t, "the new address", func() bool { return addressesOf(r, "web") == "10.0.0.3" })
	// Out of use for longer than the TTL: nobody is sent to the old address.
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.4"}, TTL: 5 * time.Second})
	clock.advance(20 * time.Second)
	expect(t, r, "web", "10.0.0.4")
}

func TestMinTTL(t *testing.T) {
	r, server, clock := startResolver(t, 30*time.Second)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: 5 * time.Second})
	expect(t, r, "web", "10.0.0.1")
	clock.advance(29 * time.Second)
	expect(t, r, "web", "10.0.0.1")
	if asked := server.Asked("web.test.internal"); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestIPv6WhenThereIsNoIPv4(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("six.test.internal", dnstest.Record{Addresses: []string{"fd00::1"}, TTL: time.Minute})
	server.Set("both.test.internal", dnstest.Record{Addresses: []string{"fd00::1", "10.0.0.1"}, TTL: time.Minute})
	expect(t, r, "six", "fd00::1")
	expect(t, r, "both", "10.0.0.1")
}

func TestNoAddressIsBelievedForASecond(t *testing.T) {
	r, server, clock := startResolver(t, time.Minute)
	server.Set("empty.test.internal", dnstest.Record{})
	for _, name := range []string{"unknown", "empty"} {
		item := r.Lookup(context.Background(), name, nil)
		if !errors.Is(item.err, ErrNoAddress) {
			t.Errorf("%s: %v", name, item.err)
		}
	}
	expect(t, r, "unknown", "error")
	if asked := server.Asked("unknown.test.internal"); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	server.Set("unknown.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}})
	clock.advance(time.Second)
	expect(t, r, "unknown", "10.0.0.1")
}

// D7: what does not exist is told apart from what has no address now.
func TestNoNameIsNotNoAddress(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("asleep.test.internal", dnstest.Record{})
	for name, exists := range map[string]bool{"asleep": true, "nobody": false, "a..b": false} {
		if err := r.Lookup(context.Background(), name, nil).Err(); errors.Is(err, ErrNoName) == exists || !errors.Is(err, ErrNoAddress) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.PushUnknown("asleep")
	r.Push("nobody", nil)
	for name, exists := range map[string]bool{"asleep": false, "nobody": true} {
		if err := r.Lookup(context.Background(), name, nil).Err(); errors.Is(err, ErrNoName) == exists || !errors.Is(err, ErrNoAddress) {
			t.Errorf("%s, pushed: %v", name, err)
		}
	}
}

func TestNXDomainEndsAnAddress(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: 5 * time.Second})
	expect(t, r, "web", "10.0.0.1")
	server.Remove("web.test.internal")
	clock.advance(30 * time.Second)
	expect(t, r, "web", "error")
}

func TestLastKnownAddressWhenDNSFails(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: 5 * time.Second})
	expect(t, r, "web", "10.0.0.1")
	server.Set("web.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	clock.advance(20 * time.Minute)
	expect(t, r, "web", "10.0.0.1")
	// Now it is silent. Nobody waits for that, once it is known to fail.
	server.Stop()
	for range 5 {
		clock.advance(2 * time.Second)
		start := time.Now()
		expect(t, r, "web", "10.0.0.1")
		if waited := time.Since(start); waited >= attempts*attemptTimeout {
			t.Errorf("waited %v", waited)
		}
	}
	clock.advance(time.Hour)
	expect(t, r, "web", "error")
	expect(t, r, "never-known", "error")
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, Drop: r.exchanger.attempts - 1})
	expect(t, r, "web", "10.0.0.1")
	server.Set("lost.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, Drop: r.exchanger.attempts})
	item := r.Lookup(context.Background(), "lost", nil)
	if !errors.Is(item.err, ErrNoAnswer) {
		t.Errorf("got %v", item.err)
	}
}

func TestTruncatedAnswersComeOverTCP(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("10.0.1.%d", i))
	}
	server.Set("web.test.internal", dnstest.Record{Addresses: many, Truncate: true})
	item := r.Lookup(context.Background(), "web", nil)
	if item.err != nil || len(item.addrs) != 200 {
		t.Errorf("%d addresses, %v", len(item.addrs), item.err)
	}
}

func TestOneQuestionInFlight(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Minute, Delay: 100 * time.Millisecond})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { expect(t, r, "web", "10.0.0.1") })
	}
	all.Wait()
	if asked := server.Asked("web.test.internal"); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestASlowNameHoldsNoOther(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	hold := make(chan struct{})
	server.Set("slow.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, Hold: hold})
	slow := make(chan struct{})
	go func() {
		defer close(slow)
		addressesOf(r, "slow")
	}()
	eventually(t, "the slow question", func() bool { return server.Asked("slow.test.internal") > 0 })
	for i := range 10 {
		name := fmt.Sprint("quick-", i)
		server.Set(name+".test.internal", dnstest.Record{Addresses: []string{"10.0.0.2"}})
		expect(t, r, name, "10.0.0.2")
	}
	select {
	case <-slow:
		t.Error("the quick names waited for the slow one")
	default:
	}
	close(hold)
	<-slow
}

// TestNoRoomForAQuestion: who has an address from before takes that at once, and nobody takes "no address" for one.
func TestNoRoomForAQuestion(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: 5 * time.Second})
	server.Set("empty.test.internal", dnstest.Record{})
	expect(t, r, "web", "10.0.0.1")
	expect(t, r, "empty", "error")
	clock.advance(time.Minute)
	r.questions = room.New(0, 0, 0)
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		expect(t, r, "web", "10.0.0.1")
		if waited := time.Since(before); waited > 0 {
			t.Errorf("waited %v for room", waited)
		}
		if item := r.Lookup(t.Context(), "empty", nil); !errors.Is(item.err, errBusy) || time.Since(before) < waitForRoom {
			t.Errorf("after %v: %v", time.Since(before), item.err)
		}
	})
}

func TestCancelledRequestsDoNotWait(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, Delay: 250 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if item := r.Lookup(ctx, "web", nil); !errors.Is(item.err, context.Canceled) {
		t.Errorf("got %v", item.err)
	}
	expect(t, r, "web", "10.0.0.1")
}

func TestAgainWaitsForANewerAnswer(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Hour})
	failed := r.Lookup(context.Background(), "web", nil)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.2"}, TTL: time.Hour})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { r.Again(context.Background(), "web", failed, nil) })
	}
	all.Wait()
	expect(t, r, "web", "10.0.0.2")
	// One who failed with the old answer takes the newer one and asks nothing.
	asked := server.Asked("web.test.internal")
	r.Again(context.Background(), "web", failed, nil)
	if now := server.Asked("web.test.internal"); now != asked || asked > 3 {
		t.Errorf("asked %d and %d times", asked, now)
	}
}

func TestUnusedNamesAreForgotten(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Second})
	expect(t, r, "web", "10.0.0.1")
	expect(t, r, "unknown", "error")
	size := func() (n int) {
		for i := range r.shards {
			r.shards[i].sweep(clock.now())
			n += len(r.shards[i].entries)
		}
		return n
	}
	if n := size(); n != 2 {
		t.Fatalf("%d names", n)
	}
	clock.advance(20 * time.Second)
	if n := size(); n != 1 {
		t.Errorf("%d names, want the one with an address", n)
	}
	clock.advance(idleFor + time.Second)
	if n := size(); n != 0 {
		t.Errorf("%d names", n)
	}
}

func TestMadeUpNamesTakeBoundedMemory(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Hour})
	expect(t, r, "web", "10.0.0.1")
	for i := range 3 * shardCount * maxPerShard / 2 {
		r.entry(fmt.Sprint("made-up-", i))
	}
	total := 0
	for i := range r.shards {
		total += len(r.shards[i].entries)
	}
	if total > shardCount*maxPerShard {
		t.Errorf("%d names", total)
	}
	asked := server.Asked("web.test.internal")
	expect(t, r, "web", "10.0.0.1")
	if server.Asked("web.test.internal") != asked {
		t.Error("a name with an address made way for one without")
	}
}

func TestImpossibleNames(t *testing.T) {
	r, _, _ := startResolver(t, 0)
	for _, name := range []string{strings.Repeat("a", 64), strings.Repeat("a.", 130), "a..b", ""} {
		item := r.Lookup(context.Background(), name, nil)
		if !errors.Is(item.err, ErrNoAddress) {
			t.Errorf("%q: %v", name, item.err)
		}
	}
}

func TestTheServerMayRestart(t *testing.T) {
	first := dnstest.Start(t)
	r := New(first.Address, "", 0)
	r.exchanger.attempts = 3
	t.Cleanup(func() { _ = r.Destruct() })
	first.Set("web", dnstest.Record{Addresses: []string{"10.0.0.1"}})
	expect(t, r, "web", "10.0.0.1")
	first.Stop()
	expect(t, r, "other", "error")
	second := dnstest.StartAt(t, first.Address)
	second.Set("third", dnstest.Record{Addresses: []string{"10.0.0.3"}})
	expect(t, r, "third", "10.0.0.3")
}

func BenchmarkLookup(b *testing.B) {
	server := dnstest.Start(b)
	r := New(server.Address, "", time.Hour)
	defer func() { _ = r.Destruct() }()
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprint("vm-", i)
		r.Push(names[i], []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	guard := &Guard{Deny: []string{"169.254.0.0/16", "fe80::/10"}, DenyLocalPorts: []uint16{2019, 8080, 5353}}
	if err := guard.Provision(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			item := r.Lookup(context.Background(), names[i%len(names)], nil)
			texts := item.Dials(80)
			if guard.Refuses(item.addrs[0], 80) != "" || texts[0] == "" {
				b.Fatal("no address")
			}
		}
	})
}
