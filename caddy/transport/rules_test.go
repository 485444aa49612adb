package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func statusOf(err error) int {
	var told caddyhttp.HandlerError
	if errors.As(err, &told) {
		return told.StatusCode
	}
	return 0
}

// E2: what a connection may be handed over to, by HTTP/1.1 alone.
func TestWhichUpgradesAreAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		method       string
		major, minor int
		asked        []string
		allowed      []string
		kept         []string
		status       int
	}{
		"none":                      {"GET", 1, 1, nil, websocketAlone, nil, 0},
		"none, by HTTP/2":           {"GET", 2, 0, nil, websocketAlone, nil, 0},
		"websocket":                 {"GET", 1, 1, []string{"WebSocket"}, websocketAlone, []string{"WebSocket"}, 0},
		"websocket among others":    {"GET", 1, 1, []string{"h2c", "x, websocket"}, websocketAlone, []string{"websocket"}, 0},
		"the first of two":          {"GET", 1, 1, []string{"b, a"}, []string{"a", "b"}, []string{"b"}, 0},
		"h2c":                       {"GET", 1, 1, []string{"h2c"}, websocketAlone, nil, 0},
		"a part of its name":        {"GET", 1, 1, []string{"websocket2", "web socket"}, websocketAlone, nil, 0},
		"nothing is allowed":        {"GET", 1, 1, []string{"websocket"}, []string{}, nil, 0},
		"websocket, by HTTP/1.0":    {"GET", 1, 0, []string{"websocket"}, websocketAlone, nil, 0},
		"websocket, by HTTP/2":      {"GET", 2, 0, []string{"websocket"}, websocketAlone, []string{"websocket"}, 0},
		"another, by HTTP/2":        {"GET", 2, 0, []string{"h2c"}, websocketAlone, []string{"h2c"}, 501},
		"a tunnel":                  {"CONNECT", 1, 1, nil, websocketAlone, nil, 501},
		"a tunnel, with an upgrade": {"CONNECT", 2, 0, []string{"websocket"}, websocketAlone, []string{"websocket"}, 501},
	} {
		r := &http.Request{Method: c.method, ProtoMajor: c.major, ProtoMinor: c.minor, Header: http.Header{}}
		r.Header["Connection"], r.Header["Http2-Settings"] = []string{"Upgrade"}, []string{"x"}
		if c.asked != nil {
			r.Header["Upgrade"] = c.asked
		}
		err := allowUpgrade(r, c.allowed)
		if statusOf(err) != c.status || (err == nil) != (c.status == 0) || !slices.Equal(r.Header["Upgrade"], c.kept) {
			t.Errorf("%s: %v, left is %q", name, err, r.Header["Upgrade"])
		}
		if err == nil && (r.Header["Http2-Settings"] != nil || (r.Header["Connection"] == nil) != (c.asked != nil && c.kept == nil)) {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
}

func TestWhoAskedForASwitch(t *testing.T) {
	for _, c := range []struct {
		asked, told string
		want        bool
	}{{"websocket", "WebSocket", true}, {"websocket", "h2c", false}, {"", "", false}, {"", "h2c", false}, {"websocket", "", false}} {
		r, res := &http.Request{Header: http.Header{}}, &http.Response{Header: http.Header{}}
		r.Header.Set("Upgrade", c.asked)
		res.Header.Set("Upgrade", c.told)
		if switched(r, res) != c.want {
			t.Errorf("asked for %q, told %q", c.asked, c.told)
		}
	}
}

type tunnel struct {
	io.ReadCloser
	io.Writer
}

// E7: an answer that cannot be told to a client is none.
func TestWhichAnswersAreTaken(t *testing.T) {
	reader := io.NopCloser(strings.NewReader(""))
	for _, c := range []struct {
		status int
		body   io.ReadCloser
		fine   bool
	}{
		{0, reader, false}, {99, reader, false}, {100, reader, false}, {103, reader, false}, {199, reader, false}, {200, reader, true}, {404, reader, true},
		{999, reader, true}, {1000, reader, false}, {101, reader, false}, {101, tunnel{reader, io.Discard}, true},
	} {
		r := &http.Request{Header: http.Header{"Upgrade": {"websocket"}}}
		res := &http.Response{StatusCode: c.status, Body: c.body, Header: http.Header{"Upgrade": {"websocket"}}}
		if err := checkAnswer(r, res); (err == nil) != c.fine {
			t.Errorf("%d: %v", c.status, err)
		}
		if c.status == 101 && checkAnswer(&http.Request{Header: http.Header{}}, res) == nil {
			t.Error("a switch that nobody asked for is taken")
		}
	}
}

func TestInterimAnswersAreBounded(t *testing.T) {
	modern, old := &http.Request{ProtoMajor: 1, ProtoMinor: 1}, &http.Request{ProtoMajor: 1}
	for _, c := range []struct {
		r      *http.Request
		status int
		pass   bool
		failed bool
	}{{modern, 103, true, false}, {modern, 100, false, false}, {modern, 101, false, true}, {old, 103, false, false}} {
		if pass, err := new(interim).pass(c.r, c.status, nil); pass != c.pass || (err != nil) != c.failed {
			t.Errorf("%d by %d.%d: %v, %v", c.status, c.r.ProtoMajor, c.r.ProtoMinor, pass, err)
		}
	}
	count := new(interim)
	for i := range maxInterim + 1 {
		if _, err := count.pass(modern, 102, nil); (err != nil) != (i == maxInterim) {
			t.Fatalf("number %d: %v", i+1, err)
		}
	}
	size := new(interim)
	half := textproto.MIMEHeader{"Link": {strings.Repeat("x", maxInterimBytes/4-4), strings.Repeat("y", maxInterimBytes/4-4)}}
	for i := range 3 {
		if _, err := size.pass(modern, 103, half); (err != nil) != (i == 2) {
			t.Errorf("after %d bytes: %v", size.bytes, err)
		}
	}
}

// So are those that net/http reads, which tells them to a trace.
func TestInterimAnswersByNetHTTP(t *testing.T) {
	var told []int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(status int, _ textproto.MIMEHeader) error {
		told = append(told, status)
		return nil
	}}
	r := request("GET", "192.0.2.1:80", nil)
	sortInterim(r)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	sortInterim(r)
	tell := httptrace.ContextClientTrace(r.Context()).Got1xxResponse
	for _, status := range []int{103, 100, 102} {
		if err := tell(status, nil); err != nil {
			t.Errorf("%d: %v", status, err)
		}
	}
	if !slices.Equal(told, []int{103, 102}) || tell(101, nil) == nil {
		t.Errorf("told are %v", told)
	}
}

func TestWhichRequestsAreRepeated(t *testing.T) {
	for _, c := range []struct {
		method, body, header string
		want                 bool
	}{
		{"GET", "", "", true}, {"HEAD", "", "", true}, {"OPTIONS", "", "", true}, {"TRACE", "", "", true}, {"GET", "x", "", false},
		{"POST", "", "", false}, {"PUT", "", "", false}, {"DELETE", "", "", false},
		{"POST", "", "Idempotency-Key", true}, {"POST", "", "X-Idempotency-Key", true}, {"POST", "x", "Idempotency-Key", false},
	} {
		r := request(c.method, "192.0.2.1:80", strings.NewReader(c.body))
		if c.header != "" {
			r.Header.Set(c.header, "1")
		}
		if isRepeatable(r) != c.want {
			t.Errorf("%s with %q and %s", c.method, c.body, c.header)
		}
	}
}

func TestWhatIsGRPC(t *testing.T) {
	for kind, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc; charset=x": true, "application/grpc-web": false, "application/json": false, "": false,
	} {
		for major := 1; major <= 3; major++ {
			r := &http.Request{ProtoMajor: major, Header: http.Header{"Content-Type": {kind}}}
			if isGRPC(r) != (want && major > 1) {
				t.Errorf("%q by HTTP/%d", kind, major)
			}
		}
	}
}

func TestTransportsAreChecked(t *testing.T) {
	for _, c := range []struct {
		settings Transport
		fine     bool
	}{
		{Transport{}, true}, {Transport{DialTimeout: 1, ResponseHeaderTimeout: 1, Options: Options{ReadIdleTimeout: 1}}, true},
		{Transport{DialTimeout: -1}, false}, {Transport{ResponseHeaderTimeout: -1}, false}, {Transport{Options: Options{ReadIdleTimeout: -1}}, false},
	} {
		if err := c.settings.Provision(caddy.Context{}); (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.settings, err)
		}
		if err := c.settings.Cleanup(); err != nil {
			t.Error(err)
		}
	}
	given := provisioned(t, Transport{})
	if given.dialer.Timeout != defaultDialTimeout || !slices.Equal(given.Upgrade, websocketAlone) {
		t.Errorf("by default %v and %v", given.dialer.Timeout, given.Upgrade)
	}
	own := provisioned(t, Transport{DialTimeout: caddy.Duration(time.Second), Options: Options{Upgrade: []string{}}})
	if own.dialer.Timeout != time.Second || len(own.Upgrade) != 0 {
		t.Errorf("%v and %v", own.dialer.Timeout, own.Upgrade)
	}
}

// A client that leaves while a connection is opened says nothing of the address.
func TestWhoIsToBlameForADial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	left, leave := context.WithCancel(t.Context())
	leave()
	var dialing reverseproxy.DialError
	if _, err := dial(t.Context(), &net.Dialer{}, "tcp", listener.Addr().String()); !errors.As(err, &dialing) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := dial(left, &net.Dialer{}, "tcp", listener.Addr().String()); err != context.Canceled {
		t.Errorf("the client has left: %v", err)
	}
}

// A connection is used again when all of its request was written, which may be told a moment after the answer's end.
func TestWhetherARequestWasWritten(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		after time.Duration
		err   error
		whole bool
	}{
		"at once": {0, nil, true}, "failed": {0, failed, false}, "a moment later": {sentWithin - 1, nil, true}, "failed a moment later": {sentWithin - 1, failed, false},
		"never": {-1, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &sending{ended: make(chan struct{}), err: c.err}
			switch {
			case c.after == 0:
				close(s.ended)
			case c.after > 0:
				time.AfterFunc(c.after, func() { close(s.ended) })
			}
			if c.after != 0 && s.failure() != nil {
				t.Errorf("%s: failed before its end", name)
			}
			if s.whole() != c.whole {
				t.Errorf("%s: whole: %v", name, !c.whole)
			}
			if c.after >= 0 && s.failure() != c.err {
				t.Errorf("%s: %v", name, s.failure())
			}
		})
	}
}

// A head is bounded, however it is cut into reads.
func TestReadingEndsAtTheBound(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _, _ = theirs.Write([]byte("abcdef")) }()
	c := newConn(ours, "192.0.2.1:80", &idle)
	c.mayRead = 4
	buf := make([]byte, 3)
	for _, want := range []string{"abc", "d"} {
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want || !c.answered {
			t.Errorf("%q, %v", buf[:n], err)
		}
	}
	if n, err := c.Read(buf); n != 0 || err != errHeadTooLarge {
		t.Errorf("%d, %v", n, err)
	}
	if c.quiet() {
		t.Error("what cannot be looked at is quiet")
	}
}
