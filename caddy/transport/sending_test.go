package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// startReader is a server that reads each request whole, and then answers with bytes and may end the connection.
func startReader(t *testing.T, answer func(request int, r *http.Request, body string) (text string, end bool)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var requests atomic.Int64
	serve := func(conn net.Conn) {
		defer conn.Close()
		reader := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			number := int(requests.Add(1))
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			text, end := answer(number, r, string(body))
			if _, err := io.WriteString(conn, text); err != nil || end {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

// slowBody comes in two halves with a pause between.
type slowBody struct {
	io.Reader
	pause time.Duration
	read  int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.read++; b.read == 2 {
		time.Sleep(b.pause)
	}
	return b.Reader.Read(p[:min(len(p), 3)])
}

// TestBodiesArriveAsByNetHTTP compares what an instance gets of requests that differ in how their body is told.
func TestBodiesArriveAsByNetHTTP(t *testing.T) {
	var seen []string
	address := startReader(t, func(_ int, r *http.Request, body string) (string, bool) {
		var head strings.Builder
		_ = r.Header.Write(&head)
		var trailer strings.Builder
		_ = r.Trailer.Write(&trailer)
		seen = append(seen, strings.Join([]string{r.Method, r.Host, head.String(), body, strings.Join(r.TransferEncoding, ","), trailer.String()}, "|"))
		return hello, false
	})
	stock := &http.Transport{DisableCompression: true}
	defer stock.CloseIdleConnections()
	for name, edit := range map[string]func(r *http.Request){
		"a length":         func(*http.Request) {},
		"no length":        func(r *http.Request) { r.ContentLength = -1 },
		"chunks":           func(r *http.Request) { r.TransferEncoding, r.ContentLength = []string{"chunked"}, -1 },
		"a trailer":        func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": {"7"}} },
		"an expectation":   func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"no body":          func(r *http.Request) { r.Body, r.ContentLength = nil, 0 },
		"an empty body":    func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
		"a body of GET":    func(r *http.Request) { r.Method = "GET" },
		"chunks of DELETE": func(r *http.Request) { r.Method, r.ContentLength = "DELETE", -1 },
	} {
		seen = nil
		for _, via := range []http.RoundTripper{stock, provisioned(t, Transport{})} {
			r := request("POST", address, strings.NewReader("hello"))
			r.Header.Set("User-Agent", "test")
			edit(r)
			get(t, via, r)
		}
		if len(seen) != 2 || seen[0] != seen[1] {
			t.Errorf("%s: %q", name, seen)
		}
	}
}

// TestARequestWithABodyIsNotRepeated: the instance may have acted on it.
func TestARequestWithABodyIsNotRepeated(t *testing.T) {
	var requests atomic.Int64
	address := startReader(t, func(number int, _ *http.Request, _ string) (string, bool) {
		requests.Store(int64(number))
		if number == 2 {
			return "", true
		}
		return hello, false
	})
	via := provisioned(t, Transport{})
	get(t, via, request("POST", address, strings.NewReader("one")))
	if res, err := via.RoundTrip(request("POST", address, strings.NewReader("two"))); err == nil {
		t.Errorf("answered %d", res.StatusCode)
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
	get(t, via, request("POST", address, strings.NewReader("three")))
}

// TestTheTimeForTheHeadBeginsWithTheEndOfTheBody, and ends with the head.
func TestTheTimeForTheHeadBeginsWithTheEndOfTheBody(t *testing.T) {
	release := make(chan struct{})
	address := startReader(t, func(number int, _ *http.Request, _ string) (string, bool) {
		if number == 2 {
			<-release
		}
		return hello, false
	})
	defer close(release)
	via := provisioned(t, Transport{ResponseHeaderTimeout: caddy.Duration(200 * time.Millisecond)})
	slow := request("POST", address, &slowBody{Reader: strings.NewReader("hello"), pause: 500 * time.Millisecond})
	if _, body := get(t, via, slow); body != "hello" {
		t.Error(body)
	}
	_, err := via.RoundTrip(request("POST", address, strings.NewReader("hello")))
	if !isTimeout(err) {
		t.Errorf("got %v", err)
	}
}

// TestAnEarlyAnswer of an instance that takes no more, and the connection behind it, which is not used again.
func TestAnEarlyAnswer(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"))
	via := provisioned(t, Transport{})
	for range 2 {
		body, theirs := io.Pipe()
		r := request("POST", server.address, body)
		res, text := get(t, via, r)
		theirs.Close()
		if res.StatusCode != 413 || text != "no" {
			t.Errorf("%d %q", res.StatusCode, text)
		}
	}
	if n := server.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TestABodyThatFails ends the request at once, and its reason is told.
func TestABodyThatFails(t *testing.T) {
	address := startReader(t, func(int, *http.Request, string) (string, bool) { return hello, false })
	via := provisioned(t, Transport{})
	broken := errors.New("broken")
	body, theirs := io.Pipe()
	go func() {
		_, _ = io.WriteString(theirs, "hel")
		_ = theirs.CloseWithError(broken)
	}()
	if _, err := via.RoundTrip(request("POST", address, body)); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	left, never := io.Pipe()
	defer never.Close()
	go func() {
		_, _ = io.WriteString(never, "hel")
		cancel()
	}()
	// With HTTP/1 a client that leaves ends the read too.
	r := request("POST", address, left).WithContext(ctx)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	if _, err := via.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
