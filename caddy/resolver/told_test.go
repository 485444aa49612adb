package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
)

func addrs(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// forget drops all entries, as sweeping does with those that nobody asks for.
func forget(r *Resolver) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		clear(s.entries)
		s.mu.Unlock()
	}
}

// D14: an instance that was not asked for since Caddy's start needed the manager.
func TestToldAddressesServeWhileTheDNSIsAway(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	r.Tell(map[string][]netip.Addr{"Web": addrs("10.0.0.1"), "gone": addrs("10.0.0.9"), "moved": addrs("10.0.0.3")}, true)
	r.Tell(map[string][]netip.Addr{"web.svc": addrs("10.0.0.1", "10.0.0.2")}, false)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.7"}, TTL: time.Minute})
	// While the DNS answers, that is what counts.
	expect(t, r, "web", "10.0.0.7")
	r.Push("moved", addrs("10.0.0.4"))
	r.PushUnknown("gone")
	server.Stop()
	expect(t, r, "web.svc", "10.0.0.1 10.0.0.2")
	// Forgotten, as after an hour without requests: the push is what was told last.
	forget(r)
	expect(t, r, "moved", "10.0.0.4")
	expect(t, r, "gone", "error")
	expect(t, r, "never-told", "error")
	// What the manager said an hour ago may be wrong by now.
	clock.advance(lastKnownFor + time.Minute)
	forget(r)
	expect(t, r, "web", "error")
}

func TestAResetForgetsWhatWasTold(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("old.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	server.Set("new.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	r.Tell(map[string][]netip.Addr{"old": addrs("10.0.0.1")}, true)
	r.Tell(map[string][]netip.Addr{"new": addrs("10.0.0.2")}, true)
	expect(t, r, "new", "10.0.0.2")
	expect(t, r, "old", "error")
}

func TestToldAddressesAreKeptInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "addresses.json")
	r, _, clock := startResolver(t, 0)
	if err := r.Keep(file); err != nil {
		t.Fatal(err)
	}
	r.Tell(map[string][]netip.Addr{"web": addrs("10.0.0.1", "fd00::1")}, true)
	clock.advance(saveEvery)
	if err := r.told.save(clock.now()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	next := newResolver("127.0.0.1:1", "test.internal", 0, clock.now)
	next.exchanger.attempts = 1
	t.Cleanup(func() { _ = next.Destruct() })
	if err := next.Keep(file); err != nil {
		t.Fatal(err)
	}
	expect(t, next, "web", "10.0.0.1 fd00::1")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("the file stays open to others", info, err)
	}
	// What the manager told before is newer than the file.
	told := newResolver("127.0.0.1:1", "test.internal", 0, clock.now)
	told.exchanger.attempts = 1
	t.Cleanup(func() { _ = told.Destruct() })
	told.Tell(map[string][]netip.Addr{"web": addrs("10.0.0.5")}, true)
	if err := told.Keep(file); err != nil {
		t.Fatal(err)
	}
	expect(t, told, "web", "10.0.0.5")
	if err := os.WriteFile(file, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := told.Keep(file); err == nil {
		t.Error("a damaged file is taken")
	}
}

type asker struct{ rule, client string }

func (a asker) Asking() (rule, client string) { return a.rule, a.client }

// D9: one client could have all questions of the process in flight.
func TestQuestionsHaveRoomForOthers(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	r.exchanger.attempts = 100
	hold := make(chan struct{})
	defer close(hold)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range maxQuestionsOfClient + 20 {
		name := fmt.Sprint("made-up-", i)
		server.Set(name+".test.internal", dnstest.Record{Hold: hold})
		go r.Lookup(ctx, name, asker{"pattern/0", "192.0.2.1"})
	}
	eventually(t, "the client's share is taken", func() bool { return r.questions.Taken() == maxQuestionsOfClient })
	eventually(t, "the rest waits", func() bool { return r.waiting.Taken() == 20 })
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Minute})
	if item := r.Lookup(ctx, "web", asker{"pattern/0", "192.0.2.2"}); item.Err() != nil {
		t.Error(item.Err())
	}
	// One that waits too long is told so, and one whose address is known from before has that.
	r.Tell(map[string][]netip.Addr{"told": addrs("10.0.0.3")}, true)
	if item := r.Lookup(ctx, "told", asker{"pattern/0", "192.0.2.1"}); len(item.Addrs()) != 1 {
		t.Error(item.Err())
	}
	if item := r.Lookup(ctx, "one-more", asker{"pattern/0", "192.0.2.1"}); !errors.Is(item.Err(), errBusy) {
		t.Error(item.Err())
	}
	if maxQuestions > 999 {
		t.Error("not in the hundreds")
	}
}

func TestQuestionsGiveTheirRoomBack(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	for i := range 3 * maxQuestionsOfClient {
		name := fmt.Sprint("vm-", i)
		server.Set(name+".test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}})
		if item := r.Lookup(context.Background(), name, asker{"a/0", "192.0.2.1"}); item.Err() != nil {
			t.Fatal(name, item.Err())
		}
	}
	eventually(t, "no room is taken", func() bool { return r.questions.Taken() == 0 && r.waiting.Taken() == 0 })
}

// keeps is a resolver without a DNS, that has read a file.
func keeps(t *testing.T, file string, clock *clock) *Resolver {
	t.Helper()
	r := newResolver("127.0.0.1:1", "test.internal", 0, clock.now)
	r.exchanger.attempts = 1
	t.Cleanup(func() { _ = r.Destruct() })
	if err := r.Keep(file); err != nil {
		t.Fatal(err)
	}
	return r
}

// toldOnce is one that nothing writes but the test.
func toldOnce(file string, clock *clock) *told {
	r := &Resolver{now: clock.now}
	r.told.file = file
	r.Tell(map[string][]netip.Addr{"web": addrs("10.0.0.1")}, true)
	clock.advance(saveEvery)
	return &r.told
}

// An hour without changes made the file useless, though the manager was heard all the time.
func TestTheFileTellsWhenTheManagerWasHeard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "addresses.json")
	clock := &clock{}
	told := toldOnce(file, clock)
	save := func() os.FileInfo {
		t.Helper()
		if err := told.save(clock.now()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := save()
	clock.advance(4 * time.Minute)
	told.heard(clock.now())
	if !os.SameFile(before, save()) {
		t.Error("written for nothing")
	}
	for range 20 {
		clock.advance(6 * time.Minute)
		told.heard(clock.now())
		save()
	}
	expect(t, keeps(t, file, clock), "web", "10.0.0.1")
}

func TestAFailedWriteIsRepeated(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(folder, "addresses.json")
	clock := &clock{}
	told := toldOnce(file, clock)
	if err := told.save(clock.now()); err == nil {
		t.Fatal("written without a folder")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	clock.advance(saveEvery)
	if err := told.save(clock.now()); err != nil {
		t.Fatal(err)
	}
	expect(t, keeps(t, file, clock), "web", "10.0.0.1")
}

// What is written is a copy, so that nobody waits until all names are text.
func TestNobodyWaitsForTheFile(t *testing.T) {
	clock := &clock{}
	told := toldOnce("addresses.json", clock)
	_, kept := told.due(clock.now())
	if kept == nil {
		t.Fatal("nothing is due")
	}
	if !told.mu.TryLock() {
		t.Fatal("the lock is held")
	}
	told.mu.Unlock()
	told.update("web", nil, clock.now())
	if len(kept.Names["web"]) != 1 {
		t.Error("what is to be written has changed")
	}
}
