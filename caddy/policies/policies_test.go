package policies

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// send has a handler take a request as Caddy's server would prepare it, and returns the request that goes on.
func send(t *testing.T, handler caddyhttp.MiddlewareHandler, r *http.Request, vars map[string]any) *http.Request {
	t.Helper()
	var passed *http.Request
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		passed = r
		return nil
	})
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars)
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer())
	if err := handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx), next); err != nil {
		t.Fatal(err)
	}
	return passed
}

func request(remote string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://shop.example.com/", nil)
	r.RemoteAddr = remote
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

func TestForwarded(t *testing.T) {
	for name, test := range map[string]struct {
		remote, client string
		trusted        bool
		header         http.Header
		want           string
	}{
		"a client": {
			remote: "192.0.2.1:5000", client: "192.0.2.1",
			want: `for=192.0.2.1;host="shop.example.com";proto=http`,
		},
		"an IPv6 client": {
			remote: "[2001:db8::1]:5000", client: "2001:db8::1",
			want: `for="[2001:db8::1]";host="shop.example.com";proto=http`,
		},
		"a client that invents a chain": {
			remote: "192.0.2.1:5000", client: "192.0.2.1",
			header: http.Header{"Forwarded": {"for=10.0.0.1"}, "X-Forwarded-For": {"10.0.0.1"}},
			want:   `for=192.0.2.1;host="shop.example.com";proto=http`,
		},
		"a trusted proxy": {
			remote: "10.0.0.2:5000", client: "192.0.2.1", trusted: true,
			header: http.Header{"Forwarded": {`for=192.0.2.1;proto=https`, "for=10.0.0.9"}},
			want:   `for=192.0.2.1;proto=https, for=10.0.0.9, for=10.0.0.2;host="shop.example.com";proto=http`,
		},
		"a trusted proxy that knows X-Forwarded only": {
			remote: "10.0.0.2:5000", client: "192.0.2.1", trusted: true,
			header: http.Header{"X-Forwarded-For": {"192.0.2.1, 2001:db8::9", "junk"}, "X-Forwarded-Proto": {"https"}},
			want:   `for=192.0.2.1;proto=https, for="[2001:db8::9]", for=unknown, for=10.0.0.2;host="shop.example.com";proto=http`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			vars := map[string]any{caddyhttp.ClientIPVarKey: test.client, caddyhttp.TrustedProxyVarKey: test.trusted}
			got := send(t, Forwarded{}, request(test.remote, test.header), vars).Header
			if got.Get("Forwarded") != test.want || len(got["Forwarded"]) != 1 {
				t.Errorf("Forwarded is %q, not %q", got["Forwarded"], test.want)
			}
			if got.Get("X-Real-Ip") != test.client {
				t.Errorf("X-Real-IP is %q", got["X-Real-Ip"])
			}
		})
	}
}

func TestForwardedUnmapsIPv4(t *testing.T) {
	vars := map[string]any{caddyhttp.ClientIPVarKey: "::ffff:192.0.2.1", caddyhttp.TrustedProxyVarKey: true}
	if got := send(t, Forwarded{}, request("10.0.0.2:1", nil), vars).Header.Get("X-Real-Ip"); got != "192.0.2.1" {
		t.Errorf("X-Real-IP is %q", got)
	}
}

func TestConnectionCannotTakeOutHeaders(t *testing.T) {
	header := http.Header{"Connection": {"X-Real-IP, Upgrade", "Remote-User"}, "Upgrade": {"websocket"}, "Remote-User": {"root"}}
	vars := map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1", caddyhttp.TrustedProxyVarKey: false}
	got := send(t, Forwarded{}, request("192.0.2.1:1", header), vars).Header
	if got.Get("Connection") != "Upgrade" || got.Get("Remote-User") != "" || got.Get("X-Real-Ip") != "192.0.2.1" {
		t.Errorf("headers are %v", got)
	}
}

func TestLimitKey(t *testing.T) {
	header := http.Header{"X-Api-Key": {"one"}}
	keyOf := func(k LimitKey, client string, header http.Header) string {
		if err := k.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		vars := map[string]any{caddyhttp.ClientIPVarKey: client, "gatewright.rule": "a/0"}
		send(t, &k, request("192.0.2.1:1", header), vars)
		return vars["gatewright.limit_key"].(string)
	}
	if got := keyOf(LimitKey{}, "192.0.2.1", nil); got != "a/0|192.0.2.1" {
		t.Errorf("the key of an IPv4 client is %q", got)
	}
	if got := keyOf(LimitKey{}, "2001:db8:1:2:3:4:5:6", nil); got != "a/0|2001:db8:1:2::" {
		t.Errorf("the key of an IPv6 client is %q", got)
	}
	if got := keyOf(LimitKey{Rule: true}, "192.0.2.1", header); got != "a/0" {
		t.Errorf("the key of a rule is %q", got)
	}
	one := keyOf(LimitKey{Header: "x-api-key"}, "192.0.2.1", header)
	two := keyOf(LimitKey{Header: "x-api-key"}, "192.0.2.9", http.Header{"X-Api-Key": {"two"}})
	again := keyOf(LimitKey{Header: "x-api-key"}, "192.0.2.9", header)
	if one == two || one != again || len(one) != len("a/0|")+32 {
		t.Errorf("the keys of headers are %q, %q, %q", one, two, again)
	}
}

func TestRewrite(t *testing.T) {
	for _, test := range []struct {
		rewrite Rewrite
		path    string
		want    string
	}{
		{Rewrite{Prefix: "/api"}, "/api/v1?x=1&y=%2F", "/v1?x=1&y=%2F"},
		{Rewrite{Prefix: "/api"}, "/api", "/"},
		{Rewrite{Prefix: "/api"}, "/api/", "/"},
		{Rewrite{Prefix: "/api"}, "/apiv1", "/apiv1"},
		{Rewrite{Prefix: "/api"}, "/API/v1", "/API/v1"},
		{Rewrite{Prefix: "/api"}, "/%61pi/v1", "/v1"},
		{Rewrite{Prefix: "/api"}, "/%61pi", "/"},
		{Rewrite{Prefix: "/a/b"}, "/a%2Fb", "/"},
		{Rewrite{Prefix: "/a/b"}, "/a%2Fb/c", "/c"},
		{Rewrite{Prefix: "/api"}, "//api//v1", "/v1"},
		{Rewrite{Prefix: "/api"}, "/x/../api/v1", "/v1"},
		{Rewrite{Prefix: "/api"}, "/api/a%2Fb", "/a%2Fb"},
		{Rewrite{Prefix: "/api"}, "/%61pi/a%2Fb%20c", "/a%2Fb%20c"},
		// The table has cleaned the decoded path: the instance must not get another one.
		{Rewrite{Prefix: "/api"}, "/api/a%2F..%2Fb", "/b"},
		{Rewrite{Prefix: "/api", With: "/v2"}, "/api/x", "/v2/x"},
		{Rewrite{Prefix: "/api", With: "/v2/"}, "/api", "/v2"},
		{Rewrite{Prefix: "/api", With: "/a b"}, "/api/c%2Fd", "/a%20b/c%2Fd"},
		{Rewrite{Prefix: "/", With: "/app"}, "/x/", "/app/x/"},
		{Rewrite{Prefix: "/", With: "/app"}, "/", "/app/"},
		{Rewrite{Path: "/index.html"}, "/a%2Fb?q=1", "/index.html?q=1"},
	} {
		rewrite := test.rewrite
		if err := rewrite.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		r := request("192.0.2.1:1", nil)
		parsed, err := url.ParseRequestURI(test.path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = parsed
		if got := send(t, &rewrite, r, map[string]any{}).URL.RequestURI(); got != test.want {
			t.Errorf("%+v: %s became %s, not %s", test.rewrite, test.path, got, test.want)
		}
	}
}

func TestRefuse(t *testing.T) {
	refuse := Refuse{Status: 503, Message: "{env.HOME}", Reason: "maintenance", RetryAfter: 60}
	if err := refuse.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err := refuse.ServeHTTP(w, request("192.0.2.1:1", nil), nil)
	refused, ok := err.(caddyhttp.HandlerError)
	if !ok || refused.StatusCode != 503 || refused.Err.(*Refusal).Message != "{env.HOME}" || w.Header().Get("Retry-After") != "60" {
		t.Errorf("the error is %#v, the headers %v", err, w.Header())
	}
	if (&Refuse{Status: 200}).Provision(caddy.Context{}) == nil {
		t.Error("200 is no refusal")
	}
}

func BenchmarkForwarded(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	vars := map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1", caddyhttp.TrustedProxyVarKey: false}
	r := request("192.0.2.1:5000", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		_ = Forwarded{}.ServeHTTP(w, r, next)
	}
}
