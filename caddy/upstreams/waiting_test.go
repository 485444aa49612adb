package upstreams

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

func TestModes(t *testing.T) {
	s := newStand(t, &Source{}, table.Target{Instance: "a", Port: 80}, service("web"))
	s.set("a", "10.0.0.1")
	s.set("web.svc", "10.0.0.2", "10.0.0.3")
	(&targets.States{Instances: map[string]targets.InstanceState{
		"A":     {Mode: "drain"},
		"web-2": {Mode: "pause", PauseMS: 20, Service: "web", Addresses: []string{"10.0.0.2"}},
	}}).Apply()
	expectCounts(t, s.tally(4), map[string]int{"10.0.0.3:80": 4})
	s.set("web.svc", "10.0.0.2")
	began := time.Now()
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || q.Err == nil || q.Err.Error() != "the target is paused" || time.Since(began) < 20*time.Millisecond {
		t.Errorf("%q %v after %v", got, q.Err, time.Since(began))
	}
	// Whoever waits goes on as soon as the mode ends.
	(&targets.States{Instances: map[string]targets.InstanceState{"web-2": {Mode: "pause", PauseMS: 20000, Service: "web", Addresses: []string{"10.0.0.2"}}}}).Apply()
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if got := s.dial(nil); got != "10.0.0.2:80" {
				t.Errorf("got %q", got)
			}
		}()
	}
	eventually(t, "all wait", func() bool { return waiting.Taken() == 4 })
	(&targets.States{Instances: map[string]targets.InstanceState{"web-2": {Mode: "active"}}}).Apply()
	wait.Wait()
	(&targets.States{Reset: true}).Apply()
	if !targets.AllActive() {
		t.Error("something is left")
	}
}

func TestAClientThatLeavesWaitsNoLonger(t *testing.T) {
	s := newStand(t, &Source{TryDuration: caddy.Duration(time.Minute)}, service("none"))
	q, r := s.request(nil)
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan string)
	go func() { done <- s.ask(r.WithContext(ctx)) }()
	eventually(t, "it waits", func() bool { return waiting.Taken() == 1 })
	cancel()
	if got := <-done; got != "" || q.Err != context.Canceled {
		t.Errorf("%q %v", got, q.Err)
	}
}

func TestWakesAreAskedForOnce(t *testing.T) {
	// A failure is believed for a second, in this process: a run before may have had one.
	sleeper := fmt.Sprint("sleeper-", standCount)
	s := newStand(t, &Source{}, table.Target{Instance: sleeper, Port: 80, WakeMS: 20000})
	s.dns.Set(sleeper+".test.internal", dnstest.Record{})
	var wait sync.WaitGroup
	for range 10 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if got := s.dial(nil); got != "10.0.0.5:80" {
				t.Errorf("got %q", got)
			}
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if names := targets.Wakes(ctx); !slices.Equal(names, []string{sleeper}) {
		t.Errorf("asked for %v", names)
	}
	eventually(t, "all wait", func() bool { return waiting.Taken() == 10 })
	short, cancelShort := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancelShort()
	if names := targets.Wakes(short); len(names) != 0 {
		t.Errorf("asked again for %v", names)
	}
	s.set(sleeper, "10.0.0.5")
	wait.Wait()

	s.dns.Set(sleeper+".test.internal", dnstest.Record{})
	s.resolver.Push(sleeper, nil)
	go func() {
		targets.Wakes(ctx)
		(&targets.States{Wakes: map[string]targets.WakeResult{sleeper: {Error: "no room"}}}).Apply()
	}()
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || q.Err != targets.ErrNotWoken {
		t.Errorf("%q %v", got, q.Err)
	}
}

// D9: one client, or the visitors of one rule, could wait in every place of the process.
func TestNoClientWaitsInEveryPlace(t *testing.T) {
	before := waiting
	waiting = waitingRoom(400)
	t.Cleanup(func() { waiting = before })
	s := newStand(t, &Source{TryDuration: caddy.Duration(20 * time.Second)}, service("none"))
	s.dns.Set("none.svc.test.internal", dnstest.Record{})
	ctx, leave := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for range 16 {
		_, r := s.request(nil)
		r = r.WithContext(&both{r.Context(), ctx})
		wait.Go(func() { s.ask(r) })
	}
	eventually(t, "all wait", func() bool { return waiting.Taken() == 16 })
	q, r := s.request(nil)
	if s.ask(r); q.Err != targets.ErrTooManyWait {
		t.Errorf("a 17th of the client: %v", q.Err)
	}
	q, r = s.request(nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "192.0.2.2")
	r = r.WithContext(&both{r.Context(), ctx})
	wait.Go(func() { s.ask(r) })
	eventually(t, "another client waits", func() bool { return waiting.Taken() == 17 })
	leave()
	wait.Wait()
	if waiting.Taken() != 0 {
		t.Errorf("%d wait", waiting.Taken())
	}
}

// both is a context that ends with another one too.
type both struct {
	context.Context
	end context.Context
}

func (b *both) Done() <-chan struct{} { return b.end.Done() }

func (b *both) Err() error { return b.end.Err() }
