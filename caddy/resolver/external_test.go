package resolver

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
)

// D10: what is used of a name outside of the zone has bounds.
func TestExternalAddressesEnd(t *testing.T) {
	const name = "auth.example.test"
	dns := dnstest.Start(t)
	clock := &clock{}
	r := newResolver("", "", externalTTL, clock.now)
	r.external = lookupBy(dns.Address)
	t.Cleanup(func() { _ = r.Destruct() })
	dns.Set(name, dnstest.Record{Addresses: []string{"10.0.0.1"}})
	expect(t, r, name, "10.0.0.1")
	dns.Set(name, dnstest.Record{Addresses: []string{"10.0.0.2"}})
	clock.advance(externalTTL + time.Second)
	// In use: the old answer serves while the new one is fetched.
	expect(t, r, name, "10.0.0.1")
	eventually(t, "the new address", func() bool { return addressesOf(r, name) == "10.0.0.2" })
	dns.Set(name, dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	clock.advance(lastKnownFor - time.Minute)
	asked := dns.Asked(name)
	expect(t, r, name, "10.0.0.2")
	eventually(t, "another question", func() bool { return dns.Asked(name) > asked })
	clock.advance(2 * time.Minute)
	expect(t, r, name, "error")
	dns.Set(name, dnstest.Record{Addresses: []string{"10.0.0.3"}})
	clock.advance(2 * time.Second)
	expect(t, r, name, "10.0.0.3")
	dns.Remove(name)
	clock.advance(staleFactor * externalTTL)
	expect(t, r, name, "error")
}

func TestIdleExternalResolversAreDropped(t *testing.T) {
	kept := External("192.0.2.1:53")
	kept.entry("used.example.com")
	for i := range 10 * manyExternals {
		externals.mu.Lock()
		externals.swept = time.Time{}
		externals.mu.Unlock()
		External(fmt.Sprintf("192.0.2.2:%d", i+1))
	}
	externals.mu.Lock()
	count := len(externals.resolvers)
	externals.mu.Unlock()
	if count > manyExternals+1 {
		t.Errorf("%d resolvers are kept", count)
	}
	if External("192.0.2.1:53") != kept {
		t.Error("a resolver that knows names was dropped")
	}
}
