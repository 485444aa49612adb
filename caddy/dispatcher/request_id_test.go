package dispatcher

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Each byte of an id is random, but for those bits that say what it is.
func TestRequestIDsDiffer(t *testing.T) {
	var seen [36]map[byte]bool
	for range 200 {
		for i, c := range []byte(newRequestID()) {
			if seen[i] == nil {
				seen[i] = make(map[byte]bool)
			}
			seen[i][c] = true
		}
	}
	for i, characters := range seen {
		want := 16
		switch i {
		case 8, 13, 14, 18, 23:
			want = 1
		case 19:
			want = 4
		}
		if len(characters) != want {
			t.Errorf("character %d has %d values", i, len(characters))
		}
	}
}

// identified is what becomes of a request with these ids.
func identified(trusted bool, sent ...string) (s *served, request, answer http.Header) {
	r := httptest.NewRequest("GET", "/", nil)
	if sent != nil {
		r.Header[requestIDHeader] = sent
	}
	vars := map[string]any{caddyhttp.TrustedProxyVarKey: trusted}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	w := httptest.NewRecorder()
	s = &served{}
	s.identify(w, r)
	return s, r.Header, w.Header()
}

func TestIDsAreTakenFromTrustedProxiesAlone(t *testing.T) {
	long := strings.Repeat("a", maxRequestID)
	for id, valid := range map[string]bool{
		"!~": true, long: true, long + "a": false, "": false, "a b": false, "a\x7f": false, "ä": false, "a\n": false,
	} {
		for _, trusted := range []bool{true, false} {
			s, request, answer := identified(trusted, id)
			if (s.RequestID == id) != (trusted && valid) || s.RequestID != id && !uuid.MatchString(s.RequestID) {
				t.Errorf("%q, trusted %v: %q", id, trusted, s.RequestID)
			}
			if request.Get(requestIDHeader) != s.RequestID || answer.Get(requestIDHeader) != s.RequestID {
				t.Errorf("%q: the instance is told %v, the client %v", id, request, answer)
			}
		}
	}
	if s, _, _ := identified(true, "a", "b"); !uuid.MatchString(s.RequestID) {
		t.Errorf("of two ids %q is taken", s.RequestID)
	}
}

// Whoever adds a value or changes one changes nobody else's.
func TestHeadersDoNotShareTheirValues(t *testing.T) {
	s, request, answer := identified(false)
	answer.Add(requestIDHeader, "of the instance")
	answer[requestIDHeader][0] = "changed"
	if request.Get(requestIDHeader) != s.RequestID || s.ids[0] != s.RequestID {
		t.Errorf("%v", request)
	}
}

// The client is told the name of its request with every answer, and no other one, whatever the instance says.
func TestEachAnswerHasItsID(t *testing.T) {
	w := newWorld(t)
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get(requestIDHeader)
		if r.URL.Path == "/early" {
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Set(requestIDHeader, "of the instance")
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	port := server.Listener.Addr().(*net.TCPAddr).Port
	w.dns.Set("web-1.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, TTL: time.Minute})
	// As every set of Gatewright's begins.
	w.sets["proxy"] = map[string]any{"handle": append([]any{map[string]any{"handler": "gatewright_forwarded"}}, proxySet["handle"].([]any)...)}
	w.load("v1")
	w.put("t1", w.row("shop/0", "shop.test", "web-1", port), w.row("dead/0", "dead.test", "web-1", freeport.Find(t)))
	for _, c := range []struct {
		host, path string
		status     int
	}{{"shop.test", "/", 200}, {"shop.test", "/early", 200}, {"dead.test", "/", 502}, {"none.test", "/", 404}} {
		got := w.get(c.host, c.path, requestIDHeader, "of the client", "Connection", requestIDHeader)
		ids := got.header[requestIDHeader]
		if got.status != c.status || len(ids) != 1 || !uuid.MatchString(ids[0]) {
			t.Errorf("%v: %d %v", c, got.status, got.header)
		}
		if c.status == 200 && seen != ids[0] {
			t.Errorf("%v: the instance was told %q, the client %q", c, seen, ids)
		}
	}
	for accept, told := range map[string]func(body string) string{
		"application/json": func(body string) string {
			var say struct {
				RequestID string `json:"request_id"`
			}
			_ = json.Unmarshal([]byte(body), &say)
			return say.RequestID
		},
		"text/html":  func(body string) string { return body },
		"text/plain": func(body string) string { return body },
	} {
		got := w.get("dead.test", "/", "Accept", accept)
		if id := got.header.Get(requestIDHeader); id == "" || !strings.Contains(told(got.body), id) {
			t.Errorf("%s: %q lacks %q", accept, got.body, id)
		}
	}
}

func BenchmarkIdentify(b *testing.B) {
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
	w := httptest.NewRecorder()
	s := &served{}
	b.ReportAllocs()
	for b.Loop() {
		s.identify(w, r)
	}
}
