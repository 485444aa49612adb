package upstreams

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// retry has the address of the last attempt fail, and returns the next.
func (s *stand) retry(q *Request) string {
	s.t.Helper()
	if err := s.source.ResetCache(q.request); err != nil {
		s.t.Fatal(err)
	}
	return s.ask(q.request)
}

func instance(name string) table.Target { return table.Target{Instance: name, Port: 80} }

// What has failed in a request is not tried before all others have been.
func TestRetriesGoOnToOthers(t *testing.T) {
	s := newStand(t, &Source{Policy: "first"}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	q, r := s.request(nil)
	for i, got := range []string{s.ask(r), s.retry(q), s.retry(q), s.retry(q)} {
		if want := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80"}[i]; got != want {
			t.Errorf("attempt %d: %s, want %s", i+1, got, want)
		}
	}
}

// A failed attempt runs no more, and a request ends once, whatever is told how often.
func TestNoAttemptIsCountedForEver(t *testing.T) {
	s := newStand(t, &Source{Policy: "least_conn"}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2")
	active := func() (total int64) {
		for _, one := range poolOf(s.id).Addresses() {
			total += max(one.Active, -one.Active)
		}
		return total
	}
	q, r := s.request(nil)
	for i, dial := range []string{s.ask(r), s.retry(q), s.retry(q)} {
		if dial == "" || active() != 1 {
			t.Errorf("after attempt %d at %q %d are counted", i+1, dial, active())
		}
	}
	for range 2 {
		if q.Done(false); active() != 0 {
			t.Errorf("after the end %d are counted", active())
		}
	}
}

// An instance that has moved is found within the request.
func TestAMovedInstanceIsAskedForAgain(t *testing.T) {
	s := newStand(t, &Source{}, instance("web"))
	s.set("web", "10.0.0.1")
	q, r := s.request(nil)
	if got := s.ask(r); got != "10.0.0.1:80" {
		t.Error(got)
	}
	s.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.2"}, TTL: time.Minute})
	if got := s.retry(q); got != "10.0.0.2:80" {
		t.Errorf("%s after it has moved", got)
	}
}

// Where there is time, the only address is tried again after a pause; else at once.
func TestTheOnlyAddressIsTriedAgain(t *testing.T) {
	for _, try := range []time.Duration{0, time.Minute} {
		s := newStand(t, &Source{TryDuration: caddy.Duration(try)}, instance("web"))
		s.set("web", "10.0.0.1")
		q, r := s.request(nil)
		if got := s.ask(r); got != "10.0.0.1:80" {
			t.Error(got)
		}
		began := time.Now()
		if got := s.retry(q); got != "10.0.0.1:80" || q.Err != nil {
			t.Errorf("with %v: %q, %v", try, got, q.Err)
		}
		if try > 0 && time.Since(began) < attemptPause {
			t.Error("it was tried again without a pause")
		}
	}
}

// A row with one plain instance has the source's bounds too.
func TestPlainRowsHaveBounds(t *testing.T) {
	none := 0
	s := newStand(t, &Source{Retries: &none}, instance("web"))
	s.set("web", "10.0.0.1")
	q, r := s.request(nil)
	if first, second := s.ask(r), s.retry(q); first != "10.0.0.1:80" || second != "" {
		t.Errorf("%q, then %q without a retry", first, second)
	}
	s = newStand(t, &Source{TryDuration: caddy.Duration(time.Minute)}, instance("late"))
	s.dns.Set("late.test.internal", dnstest.Record{})
	q, r = s.request(nil)
	done := make(chan string)
	go func() { done <- s.ask(r) }()
	eventually(t, "it waits", func() bool { return waiting.Taken() == 1 })
	s.set("late", "10.0.0.2")
	if got := <-done; got != "10.0.0.2:80" || q.Err != nil {
		t.Errorf("%q, %v", got, q.Err)
	}
}

// All addresses of an instance take part, and none that the guard refuses.
func TestAddressesOfAPlainInstance(t *testing.T) {
	s := newStand(t, &Source{}, instance("web"))
	s.set("web", "10.0.0.1", "10.0.0.2")
	expectCounts(t, s.tally(4), map[string]int{"10.0.0.1:80": 2, "10.0.0.2:80": 2})
	s.set("web", "169.254.169.254")
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || !q.Refused {
		t.Errorf("%q, refused: %v", got, q.Refused)
	}
	s.set("web", "169.254.169.254", "10.0.0.1")
	q, r = s.request(nil)
	if got := s.ask(r); got != "10.0.0.1:80" || q.Refused {
		t.Errorf("%q, refused: %v", got, q.Refused)
	}
}

// A request that has waited for an instance to wake has more attempts than others, and says why where it does not come.
func TestRequestsThatWake(t *testing.T) {
	none := 0
	sleeper := table.Target{Instance: "late-sleeper", Port: 80, WakeMS: 20_000}
	s := newStand(t, &Source{Retries: &none}, sleeper)
	s.dns.Set("late-sleeper.test.internal", dnstest.Record{})
	q, r := s.request(nil)
	done := make(chan string)
	go func() { done <- s.ask(r) }()
	eventually(t, "it waits", func() bool { return waiting.Taken() == 1 })
	s.set("late-sleeper", "10.0.0.5")
	if got := <-done; got != "10.0.0.5:80" {
		t.Errorf("awake at %q", got)
	}
	if got := s.retry(q); got != "10.0.0.5:80" {
		t.Errorf("not ready at the first attempt: then %q", got)
	}
	// It has an address, and so was forgotten: when it sleeps again it is woken at once.
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if names := targets.Wakes(short); len(names) != 0 {
		t.Errorf("%v are to be woken", names)
	}
	sleeper.Instance, sleeper.WakeMS = "never-awake", 30
	s = newStand(t, &Source{}, sleeper)
	s.dns.Set("never-awake.test.internal", dnstest.Record{})
	q, r = s.request(nil)
	if got := s.ask(r); got != "" || !errors.Is(q.Err, targets.ErrWaking) {
		t.Errorf("%q, %v", got, q.Err)
	}
	// Whoever waits for longer than it may has waited once.
	if got := s.ask(r); got != "" || !errors.Is(q.Err, targets.ErrWaking) {
		t.Errorf("again %q, %v", got, q.Err)
	}
}

func TestWhatASourceIsByDefault(t *testing.T) {
	for _, c := range []struct {
		source   Source
		balances bool
	}{
		{Source{}, false}, {Source{Health: true}, true}, {Source{Passive: &targets.Passive{}}, true}, {Source{TryDuration: 1}, true}, {Source{Retries: new(int)}, true},
	} {
		if err := c.source.provision(zap.NewNop()); err != nil || c.source.balances != c.balances || c.source.Cookie != "gatewright" {
			t.Errorf("%+v: %v", c.source, err)
		}
	}
	s := newStand(t, &Source{}, instance("nobody"))
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || !errors.Is(q.Err, resolver.ErrNoName) {
		t.Errorf("%q, %v", got, q.Err)
	}
}
