package policies

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/upstreams"
)

func TestForwardedOfStrangeRequests(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(r *http.Request)
		want string
	}{
		"over TLS":               {func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, `for=192.0.2.1;host="shop.example.com";proto=https`},
		"without a host":         {func(r *http.Request) { r.Host = "" }, `for=192.0.2.1;proto=http`},
		"a host with a quote":    {func(r *http.Request) { r.Host = `a";for=10.0.0.1` }, `for=192.0.2.1;proto=http`},
		"a host with a slash":    {func(r *http.Request) { r.Host = `a\` }, `for=192.0.2.1;proto=http`},
		"from nowhere":           {func(r *http.Request) { r.RemoteAddr = "@" }, `for=unknown;host="shop.example.com";proto=http`},
		"from a zone":            {func(r *http.Request) { r.RemoteAddr = "[fe80::1%eth0]:1" }, `for="[fe80::1]";host="shop.example.com";proto=http`},
		"from IPv4 as IPv6":      {func(r *http.Request) { r.RemoteAddr = "[::ffff:192.0.2.7]:1" }, `for=192.0.2.7;host="shop.example.com";proto=http`},
		"of a proxy, by nothing": {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.0.0.9") }, `for=10.0.0.9, for=192.0.2.1;host="shop.example.com";proto=http`},
		"of a proxy, by FTP": {func(r *http.Request) {
			r.Header = http.Header{"X-Forwarded-For": {"10.0.0.9"}, "X-Forwarded-Proto": {"ftp"}}
		}, `for=10.0.0.9, for=192.0.2.1;host="shop.example.com";proto=http`},
		"of a proxy, by HTTP": {func(r *http.Request) {
			r.Header = http.Header{"X-Forwarded-For": {"10.0.0.9"}, "X-Forwarded-Proto": {"http"}}
		}, `for=10.0.0.9;proto=http, for=192.0.2.1;host="shop.example.com";proto=http`},
	} {
		r := request("192.0.2.1:5000", nil)
		c.edit(r)
		vars := map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1", caddyhttp.TrustedProxyVarKey: true}
		if got := send(t, Forwarded{}, r, vars).Header.Get("Forwarded"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAPrefixIsBelievedOfTrustedProxiesAlone(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		vars := map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1", caddyhttp.TrustedProxyVarKey: trusted}
		got := send(t, Forwarded{}, request("10.0.0.2:1", http.Header{"X-Forwarded-Prefix": {"/api"}}), vars).Header
		if (got.Get("X-Forwarded-Prefix") == "/api") != trusted {
			t.Errorf("trusted %v: %v", trusted, got)
		}
	}
}

// The dispatcher has set them; a client that names them means its own.
func TestConnectionDoesNotTakeTheDispatchersHeaders(t *testing.T) {
	header := http.Header{"Connection": {"x-request-id, TraceParent, tracestate, X-A"}, "X-A": {"1"}}
	for _, name := range []string{"X-Request-Id", "Traceparent", "Tracestate"} {
		header.Set(name, "1")
	}
	dropConnectionHeaders(header)
	if len(header) != 3 {
		t.Errorf("%v", header)
	}
}

func TestConnectionOptions(t *testing.T) {
	for name, c := range map[string]struct{ sent, kept []string }{
		"one of HTTP":              {[]string{"Upgrade"}, []string{"Upgrade"}},
		"one of HTTP, in capitals": {[]string{"KEEP-ALIVE"}, []string{"KEEP-ALIVE"}},
		"all of HTTP":              {[]string{"keep-alive, Upgrade", "close,TE"}, []string{"keep-alive, Upgrade, close, TE"}},
		"one of a client":          {[]string{"X-A"}, nil},
		"one of HTTP and others":   {[]string{" X-A ,, close"}, []string{"close"}},
		"twice":                    {[]string{"close", "X-A"}, []string{"close"}},
		"none":                     {nil, nil},
		"an empty one":             {[]string{""}, nil},
	} {
		header := http.Header{"X-A": {"1"}, "X-B": {"2"}}
		if c.sent != nil {
			header["Connection"] = c.sent
		}
		dropConnectionHeaders(header)
		if _, there := header["X-A"]; !slices.Equal(header["Connection"], c.kept) || there == strings.Contains(strings.Join(c.sent, ","), "X-A") || header["X-B"] == nil {
			t.Errorf("%s: %v", name, header)
		}
	}
}

func TestLoopsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		before []string
		passes int
	}{
		"nothing before":          {nil, maxPasses},
		"another's":               {[]string{"cdn.example"}, maxPasses},
		"several lines":           {[]string{"a", "b"}, maxPasses},
		"some of our own":         {[]string{passMark[0] + ", a", passMark[0]}, maxPasses - 2},
		"as many as there may be": {[]string{strings.Repeat(passMark[0]+", ", maxPasses)}, 0},
	} {
		header := http.Header{}
		if c.before != nil {
			header[passHeader] = c.before
		}
		for range c.passes {
			if err := markPass(header); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got := header.Get(passHeader); !strings.HasPrefix(got, strings.Join(c.before, ", ")) || strings.Count(got, passMark[0]) != maxPasses {
			t.Errorf("%s: became %q", name, got)
		}
		var refused caddyhttp.HandlerError
		if err := markPass(header); !errors.As(err, &refused) || refused.StatusCode != http.StatusLoopDetected {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(passMark) != 1 {
		t.Error("a request has changed the mark of others")
	}
}

// The secret is in the row; an instance does not see it, nor a guess at it.
func TestHeaderAuth(t *testing.T) {
	sum := sha256.Sum256([]byte("secret"))
	rows := table.NewRows()
	rows.Add(&table.RowJSON{ID: "with", Port: 80, Host: "with.test", Policy: "p", Auth: &table.Auth{Header: "x-secret", SHA256: hex.EncodeToString(sum[:])}})
	rows.Add(&table.RowJSON{ID: "without", Port: 80, Host: "without.test", Policy: "p"})
	var hosts table.Table
	if err := hosts.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host   string
		sent   []string
		status int
	}{
		"right":                {"with.test", []string{"secret"}, 200},
		"wrong":                {"with.test", []string{"Secret"}, 403},
		"missing":              {"with.test", nil, 403},
		"empty":                {"with.test", []string{""}, 403},
		"right after wrong":    {"with.test", []string{"wrong", "secret"}, 200},
		"right before wrong":   {"with.test", []string{"secret", "wrong"}, 200},
		"two wrong ones":       {"with.test", []string{"wrong", "secret2"}, 403},
		"a row without one":    {"without.test", []string{"secret"}, 500},
		"without a row at all": {"", []string{"secret"}, 500},
	} {
		r := request("192.0.2.1:1", nil)
		if c.sent != nil {
			r.Header["X-Secret"] = c.sent
		}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		if row, _, _ := hosts.Lookup(&table.Request{Port: 80, Host: c.host, Path: "/"}); row != nil {
			q := &upstreams.Request{}
			q.Row = row
			q.Attach(r)
		}
		status := 0
		err := HeaderAuth{}.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			status = 200
			if len(r.Header["X-Secret"]) != 0 {
				t.Errorf("%s: the instance sees it", name)
			}
			return nil
		}))
		var refused caddyhttp.HandlerError
		if errors.As(err, &refused) {
			status = refused.StatusCode
		}
		if status != c.status || err == nil && status != 200 {
			t.Errorf("%s: %d, %v", name, status, err)
		}
	}
}

// What a header is sent in makes another key.
func TestKeysOfSeveralValues(t *testing.T) {
	seen := make(map[string]bool)
	for _, values := range [][]string{nil, {""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"", "ab"}} {
		seen[digest(values)] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d keys of 6", len(seen))
	}
}

func TestRewritesAreChecked(t *testing.T) {
	for _, c := range []struct {
		rewrite Rewrite
		fine    bool
	}{
		{Rewrite{Path: "/a"}, true}, {Rewrite{Prefix: "/a", With: "/b"}, true}, {Rewrite{}, true},
		{Rewrite{Path: "a"}, false}, {Rewrite{Prefix: "a"}, false}, {Rewrite{With: "a"}, false},
		{Rewrite{Path: "/a", Prefix: "/b"}, false}, {Rewrite{Path: "/a", With: "/b"}, false},
	} {
		if err := c.rewrite.Provision(caddy.Context{}); (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.rewrite, err)
		}
	}
}

// An instance learns of a prefix that was taken off, and of none that was replaced or not there.
func TestThePrefixThatWasTakenOff(t *testing.T) {
	for _, c := range []struct {
		rewrite Rewrite
		path    string
		want    string
	}{
		{Rewrite{Prefix: "/api"}, "/api/v1", "/api"}, {Rewrite{Prefix: "/api"}, "/api", "/api"}, {Rewrite{Prefix: "/api"}, "/other", ""}, {Rewrite{Prefix: "/api", With: "/v2"}, "/api/v1", ""},
		{Rewrite{Prefix: "/"}, "/api", ""}, {Rewrite{Path: "/x"}, "/api", ""},
	} {
		if err := c.rewrite.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		r := request("192.0.2.1:1", nil)
		r.URL.Path = c.path
		sent := send(t, &c.rewrite, r, map[string]any{})
		if got := sent.Header.Get("X-Forwarded-Prefix"); got != c.want || sent.URL.Path == "" {
			t.Errorf("%+v, %s: %q, sent to %q", c.rewrite, c.path, got, sent.URL.Path)
		}
	}
}

func TestWhatARefusalMayBe(t *testing.T) {
	for status, fine := range map[int]bool{399: false, 400: true, 503: true, 599: true, 600: false} {
		refuse := Refuse{Status: status}
		if err := refuse.Provision(caddy.Context{}); (err == nil) != fine {
			t.Errorf("%d: %v", status, err)
		}
		w := httptest.NewRecorder()
		_ = refuse.ServeHTTP(w, request("192.0.2.1:1", nil), nil)
		if got := w.Header()["Retry-After"]; got != nil {
			t.Errorf("Retry-After: %v", got)
		}
	}
}

func TestHostsAreChecked(t *testing.T) {
	for _, c := range []struct {
		host Host
		fine bool
	}{
		{Host{Host: "a.test", Port: 80}, true}, {Host{Host: "10.0.0.1", Port: 80, Resolver: "10.0.0.2:53"}, true},
		{Host{Port: 80}, false}, {Host{Host: "a.test"}, false}, {Host{Host: "a.test", Port: 80, Resolver: "dns.test:53"}, false},
	} {
		if err := c.host.Provision(caddy.Context{}); (err == nil) != c.fine {
			t.Errorf("%+v: %v", &c.host, err)
		}
	}
	if _, err := (&Host{Host: "10.0.0.1", Port: 80}).GetUpstreams(request("192.0.2.1:1", nil).WithContext(
		context.WithValue(context.Background(), caddyhttp.VarsCtxKey, map[string]any{}))); !errors.Is(err, errNoGuard) {
		t.Errorf("without a guard: %v", err)
	}
}

// What forward auth refused is recorded with its status, and goes on to be answered.
func TestRefusalsOfOthersAreRecorded(t *testing.T) {
	for told, want := range map[string]string{"403": "403", "": "401", "nonsense": "401"} {
		r := request("192.0.2.1:1", nil)
		repl := caddy.NewReplacer()
		if told != "" {
			repl.Set("http.reverse_proxy.status_code", told)
		}
		r = r.WithContext(context.WithValue(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}), caddy.ReplacerCtxKey, repl))
		q := &upstreams.Request{}
		q.Attach(r)
		answered := false
		err := (&Count{logger: zap.NewNop()}).ServeHTTP(httptest.NewRecorder(), r,
			caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { answered = true; return nil }))
		if err != nil || !answered || q.Policy != exchange.ForwardAuth || !strings.HasSuffix(q.Reason, want) {
			t.Errorf("%q: %v, answered %v, %s %q", told, err, answered, q.Policy, q.Reason)
		}
	}
}
