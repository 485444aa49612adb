package accesslog

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/exchange"
)

// asked is a request from a client, and its record.
func asked(edit func(r *http.Request, e *exchange.Exchange)) (*http.Request, *exchange.Exchange) {
	r := httptest.NewRequest("GET", "http://shop.test/cart?token=marked", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "203.0.113.77"}))
	e := &exchange.Exchange{RequestID: "id-1", Status: 200, Duration: 1500 * time.Microsecond}
	e.Try("web-1", "10.0.0.5:80")
	if edit != nil {
		edit(r, e)
	}
	return r, e
}

// What clients write into a line has an end, and so has the line; what is no text of UTF-8 spoils none.
func TestLinesHaveAnEnd(t *testing.T) {
	to := &place{}
	l := logTo(t, to, zap.NewNop())
	l.settings.Query = true
	long := strings.Repeat("a", 1<<20) + "\xff\x00\n"
	r, e := asked(func(r *http.Request, e *exchange.Exchange) {
		r.Host, r.URL.Path, r.URL.RawQuery, r.Method = long, long, long, long
		r.Header.Set("User-Agent", "\xff\x00\n"+long)
		r.Header.Set("Referer", long)
		e.RequestID, e.Reason = long, long
	})
	l.Request(r, e, All)
	_ = l.sink.Destruct()
	if size := to.text.Len(); size > 8<<10 {
		t.Errorf("a line has %d bytes", size)
	}
	lines := to.read(t)
	if len(lines) != 1 || lines[0]["path"] != strings.Repeat("a", maxPath)+"…" {
		t.Errorf("%v", lines)
	}
}

func TestURLsWithoutSecrets(t *testing.T) {
	for url, want := range map[string]string{
		"":                                  "",
		"https://shop.test/a?b=c#d":         "https://shop.test/a",
		"https://ann:secret@shop.test/a":    "https://shop.test/a",
		"https://ann:secret@shop.test?a=b@": "https://shop.test",
		"https://shop.test#a":               "https://shop.test",
		"/a@b?c":                            "/a@b",
		"https://shop.test/a@b":             "https://shop.test/a@b",
	} {
		if got := withoutSecrets(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// The trace is ours, or what the client tells the instance, if that is one.
func TestTraces(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for sent, want := range map[string]string{
		"":                                     "",
		"00-" + trace + "-00f067aa0ba902b7-01": trace,
		"00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01": "",
		"00-" + trace:                       "",
		"00-short-00f067aa0ba902b7-01":      "",
		strings.Repeat("-", 100):            "",
		"00-" + trace + "-\"},{\"a\":\"-01": trace,
	} {
		r, e := asked(func(r *http.Request, _ *exchange.Exchange) { r.Header.Set("Traceparent", sent) })
		if got := traceOf(r, e); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}

// nowhere takes everything at once.
type nowhere struct{}

func (nowhere) String() string    { return "nowhere" }
func (nowhere) WriterKey() string { return "nowhere" }

func (nowhere) OpenWriter() (io.WriteCloser, error) { return nothing{io.Discard}, nil }

type nothing struct{ io.Writer }

func (nothing) Close() error { return nil }

func BenchmarkRequest(b *testing.B) {
	for _, mode := range []Mode{Off, Errors, All} {
		b.Run(string(mode), func(b *testing.B) {
			s := newSink(nil)
			s.use(nowhere{}, "{}", zap.NewNop())
			defer s.Destruct()
			l := &Log{settings: Settings{Log: mode}, share: 1, sink: s}
			r, e := asked(nil)
			b.ReportAllocs()
			for b.Loop() {
				l.Request(r, e, "")
			}
		})
	}
}

// A line tells what was asked, what became of it, and of times and counts those that there are.
func TestWhatALineTells(t *testing.T) {
	to := &place{}
	l := logTo(t, to, zap.NewNop())
	r, e := asked(func(r *http.Request, e *exchange.Exchange) {
		original := *r
		rewritten := *r.URL
		rewritten.Path = "/rewritten"
		r.URL = &rewritten
		*r = *r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, original))
		r.Header.Set("User-Agent", strings.Repeat("a", maxText))
		e.Last().Status, e.Last().Connect = 201, 2*time.Millisecond
	})
	l.Request(r, e, All)
	r, e = asked(nil)
	e.Attempts = nil
	// As where something before the dispatcher had nothing to rewrite.
	l.Request(r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, http.Request{})), e, All)
	_ = l.sink.Destruct()
	lines := to.read(t)
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for at, want := range []map[string]any{
		{
			"kind": "request", "request_id": "id-1", "client": "203.0.113.77", "protocol": "HTTP/1.1", "method": "GET", "host": "shop.test",
			"path": "/cart", "user_agent": strings.Repeat("a", maxText), "status": 200.0, "target": "web-1", "address": "10.0.0.5:80",
			"upstream_status": 201.0, "connect_ms": 2.0, "upstream_ms": 1.5, "duration_ms": 1.5, "received": 0.0, "sent": 0.0,
		},
		{
			"kind": "request", "request_id": "id-1", "client": "203.0.113.77", "protocol": "HTTP/1.1", "method": "GET", "host": "shop.test",
			"path": "/cart", "status": 200.0, "duration_ms": 1.5, "received": 0.0, "sent": 0.0,
		},
	} {
		delete(lines[at], "time")
		if at == 0 {
			// From the beginning of the attempt, which is a moment ago.
			lines[at]["upstream_ms"] = 1.5
		}
		if !maps.Equal(lines[at], want) {
			t.Errorf("the line is\n%v, not\n%v", lines[at], want)
		}
	}
}

func TestWhatHasFailed(t *testing.T) {
	for _, c := range []struct {
		record *exchange.Exchange
		failed bool
	}{
		{&exchange.Exchange{Status: 200}, false},
		{&exchange.Exchange{Status: 399}, false},
		{&exchange.Exchange{Status: 400}, true},
		{&exchange.Exchange{}, true},
		{&exchange.Exchange{Status: 200, Failure: exchange.ClientLeft}, true},
		{&exchange.Exchange{Status: 301, Policy: exchange.Access}, true},
		{&exchange.Exchange{Status: 308, Miss: exchange.Misses[0]}, true},
	} {
		if got := hasFailed(c.record); got != c.failed {
			t.Errorf("%d %q %q %q: %v", c.record.Status, c.record.Failure, c.record.Policy, c.record.Miss, got)
		}
	}
}
