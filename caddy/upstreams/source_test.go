package upstreams

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// What of a request decides where it goes.
func TestKeysOfRequests(t *testing.T) {
	s := newStand(t, &Source{}, service("web"))
	for _, c := range []struct {
		source Source
		want   string
	}{
		{Source{}, ""}, {Source{Policy: "least_conn"}, ""}, {Source{Policy: "ip_hash"}, "192.0.2.1"}, {Source{Policy: "uri_hash"}, "/a?b=c"},
		{Source{Policy: "header", Header: "x-user"}, "first"}, {Source{Policy: "header", Header: "X-None"}, ""}, {Source{Policy: "header", Header: "host"}, "b.test"},
	} {
		if err := c.source.provision(zap.NewNop()); err != nil {
			t.Fatal(err)
		}
		_, r := s.request(func(r *http.Request) {
			r.RequestURI, r.Host, r.Header["X-User"] = "/a?b=c", "b.test", []string{"first", "second"}
		})
		if got := c.source.key(r); got != c.want {
			t.Errorf("%s %s: %q", c.source.Policy, c.source.Header, got)
		}
	}
}

// A client stays at the address that its cookie stands for, while that takes requests.
func TestACookieKeepsAClient(t *testing.T) {
	s := newStand(t, &Source{Policy: "cookie", Cookie: "kept"}, service("web"))
	s.set("web.svc", "10.0.0.1", "10.0.0.2", "10.0.0.3")
	visit := func(name, token string) (dial, given string) {
		q, r := s.request(func(r *http.Request) {
			if token != "" {
				r.AddCookie(&http.Cookie{Name: name, Value: token})
			}
		})
		defer q.Done(false)
		return s.ask(r), q.balanced.cookie
	}
	first, token := visit("", "")
	if other, given := visit("", ""); other == first || given == token || token == "" || given == "" {
		t.Errorf("%s is %q, %s is %q", first, token, other, given)
	}
	for range 4 {
		if dial, given := visit("kept", token); dial != first || given != "" {
			t.Errorf("%s instead of %s, given %q", dial, first, given)
		}
	}
	for _, c := range [][2]string{{"other", token}, {"kept", "nonsense"}} {
		if _, given := visit(c[0], c[1]); given == "" {
			t.Errorf("a cookie %v was taken", c)
		}
	}
	(&targets.States{Rules: map[string]targets.RuleState{s.id: {Unhealthy: []string{first}}}}).Apply()
	s.source.Health = true
	if dial, given := visit("kept", token); dial == first || given == "" || given == token {
		t.Errorf("%s is unhealthy; sent to %s, given %q", first, dial, given)
	}
	if tokenOf("a", "b") == tokenOf("ab", "") || tokenOf("a", "b") != tokenOf("a", "b") || len(tokenOf("a", "b")) != 20 {
		t.Error("a token does not stand for an address of a row")
	}
}

// Of several attempts the last one's cookie is set, and those of others stay.
func TestTheCookieThatIsSet(t *testing.T) {
	s := newStand(t, &Source{Cookie: "kept"}, service("web"))
	pool := reverseproxy.UpstreamPool{{Dial: "10.0.0.1:80"}}
	w := httptest.NewRecorder()
	w.Header()["Set-Cookie"] = []string{"kept=old; Path=/", "kept2=x", "own=y"}
	q, r := s.request(func(r *http.Request) { r.TLS = &tls.ConnectionState{} })
	if got := (Selection{}).Select(pool, r, w); got != pool[0] || len(w.Header()["Set-Cookie"]) != 3 {
		t.Errorf("without a choice: %v", w.Header())
	}
	q.balanced = &balanced{source: s.source}
	if (Selection{}).Select(pool, r, w); len(w.Header()["Set-Cookie"]) != 3 {
		t.Errorf("with nothing to set: %v", w.Header())
	}
	q.balanced.cookie = "new"
	(Selection{}).Select(pool, r, w)
	if got := strings.Join(w.Header()["Set-Cookie"], ", "); got != "kept2=x, own=y, kept=new; Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Error(got)
	}
	if (Selection{}).Select(nil, r, w) != nil {
		t.Error("an address of none")
	}
}

func TestWhenToComeBack(t *testing.T) {
	for after, want := range map[time.Duration]int{-time.Second: 0, 0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Second: 90} {
		if got := (&Request{balanced: &balanced{retryAfter: after}}).RetryAfter(); got != want {
			t.Errorf("after %v: %d", after, got)
		}
	}
	if got := new(Request).RetryAfter(); got != 0 {
		t.Errorf("without balancing: %d", got)
	}
}

func TestRoomToWait(t *testing.T) {
	for files, want := range map[int][3]int{1_000_000: {20000, 5000, 1000}, 4000: {1000, 250, 50}, 400: {100, 25, 16}, 40: {10, 2, 10}, 8: {2, 1, 2}} {
		enter := func(rule, client func(i int) string) (n int) {
			r := waitingRoom(files)
			for n < 30000 && r.Enter(rule(n), client(n)) {
				n++
			}
			return n
		}
		one := func(int) string { return "one" }
		each := func(i int) string { return fmt.Sprint(i) }
		if got := [3]int{enter(each, each), enter(one, each), enter(each, one)}; got != want {
			t.Errorf("%d files: %v, want %v", files, got, want)
		}
	}
}

// A failure counts once, whoever tells of it first, and a client's own not at all.
func TestFailuresAreCountedOnce(t *testing.T) {
	s := newStand(t, &Source{Passive: &targets.Passive{MaxFails: 2, FailDuration: caddy.Duration(time.Minute)}}, table.Target{Instance: "web", Port: 80})
	s.set("web", "10.0.0.1")
	for name, c := range map[string]struct {
		what func(q *Request, r *http.Request)
		want bool
	}{
		"an attempt, and its end": {func(q *Request, r *http.Request) { _ = s.source.ResetCache(r); q.Done(true) }, true},
		"an attempt alone":        {func(q *Request, r *http.Request) { _ = s.source.ResetCache(r); q.Done(false) }, true},
		"its end":                 {func(q *Request, _ *http.Request) { q.Done(true) }, true},
		"a success":               {func(q *Request, _ *http.Request) { q.Done(false) }, false},
		"the client's":            {func(q *Request, r *http.Request) { Spare(r); _ = s.source.ResetCache(r); q.Done(false) }, false},
		"no address":              {func(q *Request, _ *http.Request) { q.Err = targets.ErrWaking; q.Done(true) }, false},
	} {
		// The second of two failures is the one that leaves the address out.
		poolOf(s.id).Succeed("10.0.0.1:80")
		for i := range 2 {
			q, r := s.request(nil)
			if got := s.ask(r); got != "10.0.0.1:80" {
				t.Fatalf("%s: %q at attempt %d", name, got, i+1)
			}
			c.what(q, r)
		}
		if got := s.dial(nil); (got == "") != c.want {
			t.Errorf("%s: then sent to %q", name, got)
		}
	}
}

func TestWhoIsNotAsked(t *testing.T) {
	s := newStand(t, &Source{}, table.Target{Instance: "web", Port: 80})
	s.set("web", "10.0.0.1")
	bare := httptest.NewRequest("GET", "http://a.test/", nil)
	_, r := s.request(nil)
	bare = bare.WithContext(r.Context())
	q := RequestOf(bare)
	q.spared = true
	if got := s.ask(bare); got != "" {
		t.Errorf("a request that has failed is sent to %q", got)
	}
	q, r = s.request(nil)
	if err := s.source.ResetCache(r); err != nil || len(q.failed) != 0 {
		t.Errorf("what was not tried has failed: %v, %v", q.failed, err)
	}
	// An address that is tried again is noted once.
	for range 3 {
		s.ask(r)
		if err := s.source.ResetCache(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.failed) != 1 {
		t.Errorf("failed are %v", q.failed)
	}
}

// Idle pools are looked for once a minute at the most, and only those of ten minutes are dropped.
func TestWhichPoolsAreDropped(t *testing.T) {
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		swept, used int64
		gone        bool
	}{
		"idle":                    {60, 601, true},
		"not idle for long":       {60, 600, false},
		"looked for not long ago": {59, 601, false},
	} {
		added := &rowPool{}
		added.usedUnix.Store(now - c.used)
		pools.Store("dropped", added)
		poolsSwept.Store(now - c.swept)
		sweepPools(now)
		if _, is := pools.LoadAndDelete("dropped"); is == c.gone {
			t.Errorf("%s: dropped: %v", name, !is)
		}
	}
}
