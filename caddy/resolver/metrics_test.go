package resolver

import (
	"context"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/metricstest"
	"gatewright.dev/caddy/internal/room"
)

const prefix = "resolver_"

// afterOthers waits for the questions of the tests before: they count when they end.
func afterOthers(t *testing.T) {
	t.Helper()
	eventually(t, "the questions of other tests end", func() bool { return metricstest.Read(t, prefix)["resolver_questions_active"] == 0 })
}

func TestLookupsAndQuestionsAreCounted(t *testing.T) {
	afterOthers(t)
	r, dns, clock := startResolver(t, time.Second)
	const name = "web.test.internal"
	dns.Set(name, dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: 10 * time.Second})
	dns.Set("empty.test.internal", dnstest.Record{})
	dns.Set("broken.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	var before metricstest.Series
	step := func(what, instance string, want metricstest.Series) {
		t.Helper()
		before = metricstest.Read(t, prefix)
		addressesOf(r, instance)
		eventually(t, "no question is under way", func() bool { return r.questions.Taken() == 0 })
		if got := before.Since(t, prefix); !equal(got, want) {
			t.Errorf("%s moved %v, not %v", what, got, want)
		}
	}
	lookup := func(how string) string { return "resolver_lookups_total{instances," + how + "}" }
	question := func(answer string) string {
		return "resolver_question_duration_seconds{" + answer + ",instances}"
	}
	step("a name that is new", "web", metricstest.Series{lookup("miss"): 1, question("found"): 1})
	step("one that is known", "web", metricstest.Series{lookup("hit"): 1})
	clock.advance(11 * time.Second)
	step("one whose time is over", "web", metricstest.Series{lookup("stale"): 1, question("found"): 1})
	clock.advance(11 * time.Second)
	dns.Set(name, dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	step("one that is asked for in vain", "web", metricstest.Series{lookup("stale"): 1, question("failed"): 1})
	clock.advance(2 * time.Second)
	step("the last known one", "web", metricstest.Series{lookup("stale"): 1, question("failed"): 1})
	step("a name without an address", "empty", metricstest.Series{lookup("miss"): 1, question("nodata"): 1})
	step("a name that does not exist", "nobody", metricstest.Series{lookup("miss"): 1, question("nxdomain"): 1})
	step("no name", "a..b", metricstest.Series{lookup("miss"): 1, question("nxdomain"): 1})
	step("a failure", "broken", metricstest.Series{lookup("miss"): 1, question("failed"): 1})

	r.external = lookupBy(dns.Address)
	before = metricstest.Read(t, prefix)
	dns.Set("auth.example.test", dnstest.Record{Addresses: []string{"10.0.0.2"}})
	expect(t, r, "auth.example.test", "10.0.0.2")
	eventually(t, "a question about another zone", func() bool {
		return equal(before.Since(t, prefix), metricstest.Series{
			"resolver_lookups_total{external,miss}": 1, "resolver_question_duration_seconds{found,external}": 1,
		})
	})
}

func equal(one, other metricstest.Series) bool {
	for key, value := range one {
		if other[key] != value {
			return false
		}
	}
	return len(one) == len(other)
}

func TestQuestionsUnderWayAndTooManyAreCounted(t *testing.T) {
	afterOthers(t)
	r, dns, _ := startResolver(t, time.Second)
	r.questions, r.waiting = room.New(1, 1, 1), room.New(0, 0, 0)
	hold := make(chan struct{})
	dns.Set("held.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, Hold: hold})
	before := metricstest.Read(t, prefix)
	ended := make(chan *Item)
	go func() { ended <- r.Lookup(context.Background(), "held", nil) }()
	eventually(t, "the question is under way", func() bool { return before.Since(t, prefix)["resolver_questions_active"] == 1 })
	expect(t, r, "other", "error")
	if busy := before.Since(t, prefix)["resolver_busy_total"]; busy != 1 {
		t.Errorf("%v had no address", busy)
	}
	close(hold)
	<-ended
	eventually(t, "the question has ended", func() bool { return before.Since(t, prefix)["resolver_questions_active"] == 0 })
}
