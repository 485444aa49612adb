package policies

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/upstreams"
)

func dialsOf(t *testing.T, host *Host, guard resolver.Guard) (dials []string, q *upstreams.Request) {
	t.Helper()
	if err := guard.Provision(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://a.test/", nil)
	q = &upstreams.Request{Guard: &guard}
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

func TestHostFollowsItsNameAndKeepsTheLastAddress(t *testing.T) {
	dns := dnstest.Start(t)
	set := func(address string) {
		dns.Set("auth.test.internal", dnstest.Record{Addresses: []string{address}, TTL: time.Minute})
	}
	set("10.0.0.5")
	host := newHost(t, "auth.test.internal", dns.Address)
	expect := func(want string) {
		t.Helper()
		deadline := time.Now().Add(5 * time.Second)
		for {
			dials, _ := dialsOf(t, host, resolver.Guard{})
			if len(dials) == 1 && dials[0] == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("dials %v, not %s", dials, want)
			}
		}
	}
	age := func() {
		host.mutex.Lock()
		defer host.mutex.Unlock()
		host.asked = time.Now().Add(-2 * fresh)
	}
	expect("10.0.0.5:9091")
	set("10.0.0.6")
	age()
	expect("10.0.0.6:9091")
	dns.Set("auth.test.internal", dnstest.Record{})
	age()
	expect("10.0.0.6:9091")
}

func TestHostSaysWhyThereIsNoAddress(t *testing.T) {
	dns := dnstest.Start(t)
	dials, q := dialsOf(t, newHost(t, "nobody.test.internal", dns.Address), resolver.Guard{})
	if len(dials) != 0 || q.Err == nil {
		t.Errorf("dials %v, error %v", dials, q.Err)
	}
}
