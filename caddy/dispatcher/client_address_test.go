package dispatcher

import (
	"context"
	"fmt"
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

// TestTrustedNetworks: one of IPv4 may be written as IPv6, of which it is a part.
func TestTrustedNetworks(t *testing.T) {
	for _, c := range []struct{ network, last, want string }{
		{"127.0.0.0/8", "127.0.0.9", "192.0.2.7"}, {"::ffff:127.0.0.0/104", "127.0.0.9", "192.0.2.7"},
		{"::ffff:0.0.0.0/96", "127.0.0.9", "127.0.0.1"}, {"127.0.0.9", "127.0.0.9", "192.0.2.7"}, {"::1/128", "::2", "::2"},
	} {
		w := newWorld(t)
		w.servers["main"] = map[string]any{
			"listen": []string{fmt.Sprint("127.0.0.1:", w.port)}, "automatic_https": map[string]any{"disable": true},
			"trusted_proxies": map[string]any{"source": "static", "ranges": []string{"127.0.0.1/32"}},
			"routes": []any{map[string]any{"handle": []any{map[string]any{
				"handler": "gatewright", "trusted_proxies": []string{c.network},
			}}}},
		}
		w.sets["whose"] = map[string]any{"handle": []any{map[string]any{
			"handler": "static_response", "body": "{http.vars.client_ip}",
		}}}
		w.load("c1")
		row := w.row("a", "a.test", "nobody", 80)
		row.Policy = "whose"
		w.put("t1", row)
		if got := w.get("a.test", "/", "X-Forwarded-For", "192.0.2.7, "+c.last); got.body != c.want {
			t.Errorf("E5 %s: %d %q, want %s", c.network, got.status, got.body, c.want)
		}
	}
}
