package dispatcher

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestClientOf holds E5: what a proxy writes is read, and nothing that stands before what it could not write is believed.
func TestClientOf(t *testing.T) {
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	six := netip.MustParsePrefix("fd00::/8")
	trusts := func(addr netip.Addr) bool { return trusted.Contains(addr) || six.Contains(addr) }
	peer := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, "10.0.0.1"},
		{[]string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{[]string{"6.6.6.6", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{[]string{"10.0.0.3, 10.0.0.2"}, "10.0.0.1"},
		// Forms of proxies.
		{[]string{"192.0.2.1:4711"}, "192.0.2.1"},
		{[]string{"6.6.6.6, [2001:db8::1]:4711"}, "2001:db8::1"},
		{[]string{"6.6.6.6, [2001:db8::1]"}, "2001:db8::1"},
		{[]string{"6.6.6.6, 2001:db8::1"}, "2001:db8::1"},
		{[]string{"6.6.6.6, 2001:db8::1%eth0"}, "2001:db8::1"},
		{[]string{"6.6.6.6, [2001:db8::1%eth0]:80"}, "2001:db8::1"},
		{[]string{`6.6.6.6, "[2001:db8::1]:4711"`}, "2001:db8::1"},
		{[]string{`6.6.6.6, "192.0.2.1"`}, "192.0.2.1"},
		{[]string{"6.6.6.6, ::ffff:192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1,[fd00::2]:443"}, "192.0.2.1"},
		// What is no address: that of who wrote it.
		{[]string{"6.6.6.6, unknown"}, "10.0.0.1"},
		{[]string{"6.6.6.6, _hidden"}, "10.0.0.1"},
		{[]string{"6.6.6.6, "}, "10.0.0.1"},
		{[]string{"6.6.6.6", ""}, "10.0.0.1"},
		{[]string{"6.6.6.6,,10.0.0.2"}, "10.0.0.2"},
		{[]string{"6.6.6.6, unknown, 10.0.0.2"}, "10.0.0.2"},
		{[]string{"6.6.6.6, 192.0.2.1:"}, "10.0.0.1"},
		{[]string{"6.6.6.6, 192.0.2.1:x"}, "10.0.0.1"},
		{[]string{"6.6.6.6, 192.0.2.256"}, "10.0.0.1"},
		{[]string{"6.6.6.6, [192.0.2.1]"}, "10.0.0.1"},
		{[]string{"6.6.6.6, [2001:db8::1"}, "10.0.0.1"},
		{[]string{`6.6.6.6, "192.0.2.1`}, "10.0.0.1"},
		{[]string{"6.6.6.6, proxy.example.com"}, "10.0.0.1"},
	} {
		if got := clientOf(c.lines, peer, trusts); got.String() != c.want {
			t.Errorf("E5 %q: %v, want %s", c.lines, got, c.want)
		}
	}
}

// TestWhoseClientIsCorrected: of a connection that a trusted proxy has made, and of no other.
func TestWhoseClientIsCorrected(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		isProxy bool
		peer    string
		want    string
	}{
		"a trusted proxy":            {trusted, true, "10.0.0.1:80", "10.0.0.1"},
		"somebody else":              {trusted, false, "192.0.2.9:80", "found"},
		"no proxies":                 {nil, true, "10.0.0.1:80", "found"},
		"a connection of no address": {trusted, true, "@", "found"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{
			caddyhttp.TrustedProxyVarKey: c.isProxy, caddyhttp.ClientIPVarKey: "found",
		}))
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, []string{"6.6.6.6, unknown"}
		(&Handler{trusted: c.trusted}).correctClient(r)
		if got := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey); got != c.want {
			t.Errorf("E5 %s: %v, want %s", name, got, c.want)
		}
	}
}
