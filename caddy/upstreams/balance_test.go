package upstreams

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

func TestRoundRobinIsSpreadEvenly(t *testing.T) {
	s := newStand(t, &Source{}, table.Target{Instance: "a", Port: 80, Weight: weight(3)}, table.Target{Instance: "b", Port: 80})
	s.set("a", "10.0.0.1")
	s.set("b", "10.0.0.2")
	var order []string
	for range 8 {
		order = append(order, strings.TrimPrefix(s.dial(nil), "10.0.0."))
	}
	if got := strings.Join(order, " "); got != "1:80 1:80 2:80 1:80 1:80 1:80 2:80 1:80" {
		t.Error(got)
	}
}

func TestWeightsCountByTarget(t *testing.T) {
	canary := service("canary")
	canary.Weight = weight(10)
	stable := service("stable")
	stable.Weight = weight(90)
	for _, policy := range []string{"round_robin", "random", "uri_hash"} {
		s := newStand(t, &Source{Policy: policy}, stable, canary)
		s.set("stable.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
		s.set("canary.svc", "10.0.1.1")
		counts := make(map[string]int)
		for i := range 4000 {
			counts[s.dial(func(r *http.Request) { r.RequestURI = fmt.Sprint("/page/", i) })]++
		}
		share := float64(counts["10.0.1.1:80"]) / 4000
		slack := 0.03
		if policy == "round_robin" {
			slack = 0.0001
		}
		if math.Abs(share-0.1) > slack {
			t.Errorf("%s: the canary got %v", policy, share)
		}
		for _, dial := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
			if part := float64(counts[dial]) / 4000; math.Abs(part-0.3) > 0.05 {
				t.Errorf("%s: %s got %v", policy, dial, part)
			}
		}
	}
}

func TestHashesMoveOnlyWhatTheyMust(t *testing.T) {
	s := newStand(t, &Source{Policy: "header", Header: "x-user"}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
	keyed := func() map[string]string {
		dials := make(map[string]string)
		for i := range 400 {
			user := fmt.Sprint("user-", i)
			dials[user] = s.dial(func(r *http.Request) { r.Header.Set("X-User", user) })
		}
		return dials
	}
	before := keyed()
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	after := keyed()
	moved := 0
	for user, dial := range before {
		if dial != after[user] {
			moved++
			if dial != "10.0.0.4:80" {
				t.Errorf("%s moved from %s to %s", user, dial, after[user])
			}
		}
	}
	if moved < 60 || moved > 140 {
		t.Errorf("%d of 400 were at the fourth address", moved)
	}
	// Who is unhealthy loses its clients, and gets them back.
	(&targets.States{Rules: map[string]targets.RuleState{s.id: {Unhealthy: []string{"10.0.0.1:80"}}}}).Apply()
	s.source.Health = true
	unhealthy := keyed()
	for user, dial := range after {
		if dial != "10.0.0.1:80" && unhealthy[user] != dial {
			t.Errorf("%s moved from %s to %s", user, dial, unhealthy[user])
		}
	}
}

func TestAnInstanceKeepsItsClientsWhenItMoves(t *testing.T) {
	s := newStand(t, &Source{Policy: "ip_hash"}, table.Target{Instance: "a", Port: 80}, table.Target{Instance: "b", Port: 80})
	s.set("a", "10.0.0.1")
	s.set("b", "10.0.0.2")
	if s.dial(nil) == "10.0.0.1:80" {
		s.set("a", "10.0.9.9")
	} else {
		s.set("b", "10.0.9.9")
	}
	if got := s.dial(nil); got != "10.0.9.9:80" {
		t.Error(got)
	}
}

func TestLeastConnections(t *testing.T) {
	s := newStand(t, &Source{Policy: "least_conn"}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2")
	var open []*Request
	counts := make(map[string]int)
	for range 10 {
		q, r := s.request(nil)
		counts[s.ask(r)]++
		open = append(open, q)
	}
	expectCounts(t, counts, map[string]int{"10.0.0.1:80": 5, "10.0.0.2:80": 5})
	for _, q := range open {
		if q.picked == "10.0.0.1:80" {
			q.Done(false)
		}
	}
	for range 5 {
		q, r := s.request(nil)
		if got := s.ask(r); got != "10.0.0.1:80" {
			t.Error(got)
		}
		defer q.Done(false)
	}
	if n := poolOf(s.id).Addresses()["10.0.0.2:80"].Active; n != 5 {
		t.Errorf("%d are open", n)
	}
}

func TestPassiveEjection(t *testing.T) {
	s := newStand(t, &Source{Passive: &targets.Passive{MaxFails: 2, FailDuration: caddy.Duration(300 * time.Millisecond)}}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2")
	fail := func(dial string) {
		for {
			q, r := s.request(nil)
			got := s.ask(r)
			q.Done(got == dial)
			if got == dial {
				return
			}
		}
	}
	fail("10.0.0.1:80")
	if len(s.tally(8)) != 2 {
		t.Error("one failure is not two")
	}
	fail("10.0.0.1:80")
	expectCounts(t, s.tally(8), map[string]int{"10.0.0.2:80": 8})
	// Another source, as after a reload, knows it too.
	other := &Source{Passive: s.source.Passive}
	if err := other.provision(zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	s.source = other
	expectCounts(t, s.tally(8), map[string]int{"10.0.0.2:80": 8})
	fail("10.0.0.2:80")
	fail("10.0.0.2:80")
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || q.RetryAfter() != 1 {
		t.Errorf("%q, come back after %d", got, q.RetryAfter())
	}
	eventually(t, "both are back", func() bool { return len(s.tally(4)) == 2 })
}

func TestARetryTakesAnother(t *testing.T) {
	s := newStand(t, &Source{}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	seen := make(map[string]bool)
	_, r := s.request(nil)
	for range 3 {
		seen[s.ask(r)] = true
		if err := s.source.ResetCache(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("tried %v", seen)
	}
	if s.ask(r) == "" {
		t.Error("nothing is tried again")
	}
}

func TestAddressTargets(t *testing.T) {
	outside := dnstest.Start(t)
	outside.Set("backend.example.com", dnstest.Record{Addresses: []string{"10.9.0.2", "10.9.0.1"}})
	s := newStand(t, &Source{},
		table.Target{Address: "10.0.0.9", Port: 81},
		table.Target{Address: "backend.example.com", Resolvers: []string{outside.Address}, Port: 82},
		table.Target{Address: "169.254.169.254", Port: 80},
	)
	expectCounts(t, s.tally(8), map[string]int{"10.0.0.9:81": 4, "10.9.0.1:82": 2, "10.9.0.2:82": 2})
	s.targets(table.Target{Address: "169.254.169.254", Port: 80})
	q, r := s.request(nil)
	if got := s.ask(r); got != "" || !q.Refused {
		t.Errorf("%q, refused: %v", got, q.Refused)
	}
}

func TestAServiceMayHaveBothFamilies(t *testing.T) {
	s := newStand(t, &Source{}, service("web"))
	s.dns.Set("web.svc.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1", "fd00::1"}})
	expectCounts(t, s.tally(4), map[string]int{"10.0.0.1:80": 2, "[fd00::1]:80": 2})
}

func TestSourceRefusesNonsense(t *testing.T) {
	for _, source := range []*Source{{Policy: "best"}, {Policy: "header"}, {TryDuration: -1}, {Retries: weight(-1)}, {Passive: &targets.Passive{MaxFails: -1}}} {
		if err := source.provision(zap.NewNop()); err == nil {
			t.Errorf("%+v is taken", source)
		}
	}
}

func TestPoolsThatNobodyAsksForAreForgotten(t *testing.T) {
	t.Cleanup(pools.Clear)
	kept := func(row string) bool {
		_, is := pools.Load(row)
		return is
	}
	poolOf("forgotten")
	poolOf("busy").Enter("10.0.0.1:80", 0)
	for _, row := range []string{"forgotten", "busy"} {
		known, _ := pools.Load(row)
		known.(*rowPool).usedUnix.Store(1)
	}
	poolsSwept.Store(0)
	poolOf("new")
	if kept("forgotten") || !kept("busy") || !kept("new") {
		t.Errorf("forgotten: %v, busy: %v, new: %v", kept("forgotten"), kept("busy"), kept("new"))
	}
}

func BenchmarkBalance(b *testing.B) {
	for _, policy := range []string{"round_robin", "least_conn", "random", "ip_hash", "cookie"} {
		for _, n := range []int{2, 100} {
			b.Run(fmt.Sprint(policy, "/", n), func(b *testing.B) {
				s := newStand(b, &Source{Policy: policy}, service("web"))
				addresses := make([]string, n)
				for i := range addresses {
					addresses[i] = fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)
				}
				s.set("web.svc", addresses...)
				_, r := s.request(nil)
				q := RequestOf(r)
				b.ReportAllocs()
				for b.Loop() {
					q.balanced = nil
					if list, _ := s.source.GetUpstreams(r); len(list) != 1 {
						b.Fatal("no upstream")
					}
					q.Done(false)
				}
			})
		}
	}
}

func BenchmarkPlainTarget(b *testing.B) {
	s := newStand(b, &Source{}, table.Target{Instance: "web", Port: 80})
	s.set("web", "10.0.0.1")
	_, r := s.request(nil)
	b.ReportAllocs()
	for b.Loop() {
		if list, _ := s.source.GetUpstreams(r); len(list) != 1 {
			b.Fatal("no upstream")
		}
	}
}

// C8: what is not known yet after a restart of the manager is as it was told before.
func TestUncheckedAddressesStayAsTheyWere(t *testing.T) {
	s := newStand(t, &Source{Health: true}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	tell := func(reset bool, state targets.RuleState) {
		(&targets.States{Reset: reset, Rules: map[string]targets.RuleState{s.id: state}}).Apply()
	}
	tell(false, targets.RuleState{Unhealthy: []string{"10.0.0.1:80", "10.0.0.2:80"}})
	tell(true, targets.RuleState{Healthy: []string{}})
	expectCounts(t, s.tally(3), map[string]int{"10.0.0.3:80": 3})
	tell(false, targets.RuleState{Healthy: []string{"10.0.0.2:80"}, Unhealthy: []string{"10.0.0.3:80"}})
	expectCounts(t, s.tally(3), map[string]int{"10.0.0.2:80": 3})
	tell(false, targets.RuleState{Unhealthy: []string{"10.0.0.3:80"}})
	expectCounts(t, s.tally(4), map[string]int{"10.0.0.1:80": 2, "10.0.0.2:80": 2})
	tell(true, targets.RuleState{})
	expectCounts(t, s.tally(3), map[string]int{"10.0.0.1:80": 1, "10.0.0.2:80": 1, "10.0.0.3:80": 1})
}

func TestRetriesAreAsManyAsTheSourceSays(t *testing.T) {
	for _, retries := range []int{0, 1, 3} {
		s := newStand(t, &Source{Retries: &retries}, service("web"))
		s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6")
		_, r := s.request(nil)
		attempts := 0
		for s.ask(r) != "" && attempts < 10 {
			attempts++
			if err := s.source.ResetCache(r); err != nil {
				t.Fatal(err)
			}
		}
		if attempts != retries+1 {
			t.Errorf("%d retries: %d attempts", retries, attempts)
		}
	}
}
