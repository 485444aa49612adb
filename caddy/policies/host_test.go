package policies

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/upstreams"
)

func dialsOf(t *testing.T, host *Host, guard resolver.Guard, names ...*resolver.Resolver) (dials []string, q *upstreams.Request) {
	t.Helper()
	if err := guard.Provision(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://a.test/", nil)
	q = &upstreams.Request{Guard: &guard}
	if len(names) > 0 {
		q.Resolver = names[0]
	}
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{})
	r = r.WithContext(ctx)
	q.Attach(r)
	list, err := host.GetUpstreams(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, upstream := range list {
		dials = append(dials, upstream.Dial)
	}
	return dials, q
}

func newHost(t *testing.T, name, resolver string) *Host {
	t.Helper()
	host := &Host{Host: name, Port: 9091, Resolver: resolver}
	if err := host.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return host
}

func TestHostIsGuarded(t *testing.T) {
	host := newHost(t, "169.254.169.254", "")
	dials, q := dialsOf(t, host, resolver.Guard{Deny: []string{"169.254.0.0/16"}})
	if len(dials) != 0 || q.Err == nil {
		t.Errorf("dials %v, error %v", dials, q.Err)
	}
	if dials, _ := dialsOf(t, newHost(t, "127.0.0.1", ""), resolver.Guard{}); len(dials) != 0 {
		t.Errorf("loopback is dialed: %v", dials)
	}
	if dials, _ := dialsOf(t, newHost(t, "127.0.0.1", ""), resolver.Guard{AllowLoopback: true, DenyLocalPorts: []uint16{9091}}); len(dials) != 0 {
		t.Errorf("a listener of our own is dialed: %v", dials)
	}
}

// D10: an address was used for ever, also after NXDOMAIN: whoever got it next could say 200.
func TestHostFollowsItsName(t *testing.T) {
	const name = "auth.test.internal"
	dns := dnstest.Start(t)
	host := newHost(t, name, dns.Address)
	// expect sets what the DNS answers from now on, and has it asked.
	expect := func(record *dnstest.Record, want ...string) {
		t.Helper()
		dns.Remove(name)
		if record != nil {
			dns.Set(name, *record)
		}
		asked := dns.Asked(name)
		resolver.External(dns.Address).Flush()
		dials, q := dialsOf(t, host, resolver.Guard{})
		if !slices.Equal(dials, want) || (q.Err == nil) != (len(want) > 0) {
			t.Errorf("dials %v, not %v: %v", dials, want, q.Err)
		}
		if dns.Asked(name) == asked {
			t.Error("the DNS was not asked")
		}
	}
	expect(&dnstest.Record{Addresses: []string{"10.0.0.5"}}, "10.0.0.5:9091")
	expect(&dnstest.Record{Addresses: []string{"10.0.0.6"}}, "10.0.0.6:9091")
	// A failure to answer says nothing of the address.
	expect(&dnstest.Record{RCode: dnsmessage.RCodeServerFailure}, "10.0.0.6:9091")
	expect(nil)
	expect(&dnstest.Record{Addresses: []string{"10.0.0.7"}}, "10.0.0.7:9091")
	expect(&dnstest.Record{})
}

func TestHostIsAnInstance(t *testing.T) {
	dns := dnstest.Start(t)
	names := resolver.New(dns.Address, "test.internal", time.Hour)
	t.Cleanup(func() { _ = names.Destruct() })
	names.Push("auth", []netip.Addr{netip.MustParseAddr("10.0.0.5")})
	host := newHost(t, "Auth.test.internal", dns.Address)
	dials := func() []string {
		list, _ := dialsOf(t, host, resolver.Guard{}, names)
		return list
	}
	if got := dials(); !slices.Equal(got, []string{"10.0.0.5:9091"}) {
		t.Errorf("dials %v", got)
	}
	names.Push("auth", nil)
	if got := dials(); len(got) != 0 {
		t.Errorf("an instance that is gone is asked: %v", got)
	}
	if asked := dns.Asked("auth.test.internal"); asked != 0 {
		t.Errorf("the DNS was asked %d times for what it had told", asked)
	}
}

func TestHostSaysWhyThereIsNoAddress(t *testing.T) {
	dns := dnstest.Start(t)
	dials, q := dialsOf(t, newHost(t, "nobody.test.internal", dns.Address), resolver.Guard{})
	if len(dials) != 0 || q.Err == nil {
		t.Errorf("dials %v, error %v", dials, q.Err)
	}
}
