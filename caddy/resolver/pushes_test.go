package resolver

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
)

func TestPush(t *testing.T) {
	r, server, clock := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Minute})
	expect(t, r, "web", "10.0.0.1")
	r.Push("WEB", []netip.Addr{netip.MustParseAddr("10.0.0.2")})
	expect(t, r, "web", "10.0.0.2")
	r.Push("web", nil)
	expect(t, r, "web", "error")
	clock.advance(2 * time.Minute)
	expect(t, r, "web", "10.0.0.1")
}

func TestAnAnswerDoesNotUndoAPush(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Minute, Delay: 200 * time.Millisecond})
	done := make(chan struct{})
	go func() {
		defer close(done)
		expect(t, r, "web", "10.0.0.2")
	}()
	eventually(t, "the question", func() bool { return server.Asked("web.test.internal") > 0 })
	r.Push("web", []netip.Addr{netip.MustParseAddr("10.0.0.2")})
	<-done
	expect(t, r, "web", "10.0.0.2")
}

func TestFlushAsksAgain(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Hour})
	server.Set("dead.test.internal", dnstest.Record{Addresses: []string{"10.0.0.9"}, TTL: time.Hour})
	expect(t, r, "web", "10.0.0.1")
	expect(t, r, "dead", "10.0.0.9")
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.2"}, TTL: time.Hour})
	server.Set("dead.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	r.Flush()
	expect(t, r, "web", "10.0.0.2")
	// Where that fails, the last known address is better than none.
	expect(t, r, "dead", "10.0.0.9")
}

func TestAFlushOutdatesQuestionsUnderWay(t *testing.T) {
	r, server, _ := startResolver(t, 0)
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.1"}, TTL: time.Hour, Delay: 200 * time.Millisecond})
	done := make(chan struct{})
	go func() {
		defer close(done)
		expect(t, r, "web", "10.0.0.2")
	}()
	eventually(t, "the question", func() bool { return server.Asked("web.test.internal") > 0 })
	server.Set("web.test.internal", dnstest.Record{Addresses: []string{"10.0.0.2"}, TTL: time.Hour})
	r.Flush()
	<-done
}
