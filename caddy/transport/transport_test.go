package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// wire is a server that answers with bytes, and knows its connections.
type wire struct {
	t       *testing.T
	address string
	// answer is asked for the bytes of each answer; close ends the connection after them.
	answer   func(connection, request int, head string) (text string, close bool)
	accepted atomic.Int64
	ended    chan struct{}

	mu    sync.Mutex
	conns []net.Conn
}

func startWire(t *testing.T, answer func(connection, request int, head string) (string, bool)) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, address: listener.Addr().String(), answer: answer, ended: make(chan struct{}, 100)}
	t.Cleanup(func() {
		listener.Close()
		w.closeAll()
	})
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, c)
			w.mu.Unlock()
			go w.serve(c, int(w.accepted.Add(1)))
		}
	}()
	return w
}

func (w *wire) serve(c net.Conn, number int) {
	defer func() {
		c.Close()
		w.ended <- struct{}{}
	}()
	reader := bufio.NewReader(c)
	for request := 1; ; request++ {
		head := ""
		for !strings.HasSuffix(head, "\r\n\r\n") {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			head += line
		}
		text, end := w.answer(number, request, head)
		if _, err := io.WriteString(c, text); err != nil || end {
			return
		}
	}
}

func (w *wire) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// send writes to every open connection without having been asked.
func (w *wire) send(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		if _, err := io.WriteString(c, text); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *wire) awaitEnd() {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-time.After(5 * time.Second):
		w.t.Fatal("the connection was not closed")
	}
}

func always(text string) func(int, int, string) (string, bool) {
	return func(int, int, string) (string, bool) { return text, false }
}

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func provisioned(t *testing.T, settings Transport) *Transport {
	t.Helper()
	if err := settings.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = settings.Cleanup() })
	return &settings
}

func request(method, address string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, "http://"+address+"/path?query", body)
	if err != nil {
		panic(err)
	}
	r.Host = "shop.example.com"
	return r
}

// get asks and reads the whole answer.
func get(t *testing.T, via http.RoundTripper, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := via.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res, string(body)
}

func TestConnectionsAreKept(t *testing.T) {
	answers := map[string]string{
		"a length":         hello,
		"no body":          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"204":              "HTTP/1.1 204 No Content\r\n\r\n",
		"304":              "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
		"chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		"chunks, trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
		"interim answers":  "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + hello,
	}
	for name, text := range answers {
		t.Run(name, func(t *testing.T) {
			server := startWire(t, always(text))
			via := provisioned(t, Transport{})
			for range 5 {
				res, body := get(t, via, request("GET", server.address, nil))
				if strings.HasSuffix(text, "hello") && body != "hello" {
					t.Errorf("body %q", body)
				}
				if name == "chunks, trailers" && (body != "hello" || res.Trailer.Get("X-Sum") != "7") {
					t.Errorf("body %q, trailers %v", body, res.Trailer)
				}
			}
			if n := server.accepted.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestTheRequestArrivesWhole(t *testing.T) {
	heads := make(chan string, 1)
	server := startWire(t, func(_, _ int, head string) (string, bool) {
		heads <- head
		return hello, false
	})
	via := provisioned(t, Transport{})
	r := request("GET", server.address, nil)
	r.Header = http.Header{"X-Two": {"a", "b"}, "User-Agent": {""}}
	get(t, via, r)
	want := "GET /path?query HTTP/1.1\r\nHost: shop.example.com\r\nX-Two: a\r\nX-Two: b\r\n\r\n"
	if head := <-heads; head != want {
		t.Errorf("%q", head)
	}
}

func TestABodyMayBeLongerThanAHead(t *testing.T) {
	body := strings.Repeat("b", maxHead+1)
	server := startWire(t, always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
	if _, got := get(t, provisioned(t, Transport{}), request("GET", server.address, nil)); got != body {
		t.Errorf("%d bytes", len(got))
	}
}

func TestHeadHasNoBody(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	via := provisioned(t, Transport{})
	for range 3 {
		if res, body := get(t, via, request("HEAD", server.address, nil)); res.ContentLength != 5 || body != "" {
			t.Errorf("%d %q", res.ContentLength, body)
		}
	}
	if n := server.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestConnectionsThatCannotBeKept has the server see each of them closed.
func TestConnectionsThatCannotBeKept(t *testing.T) {
	for name, text := range map[string]string{
		"Connection: close":    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"more than the answer": hello + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
	} {
		t.Run(name, func(t *testing.T) {
			server := startWire(t, always(text))
			via := provisioned(t, Transport{})
			for range 3 {
				if _, body := get(t, via, request("GET", server.address, nil)); body != "hello" {
					t.Errorf("body %q", body)
				}
				server.awaitEnd()
			}
		})
	}
	t.Run("up to the end of the connection", func(t *testing.T) {
		server := startWire(t, func(int, int, string) (string, bool) { return "HTTP/1.1 200 OK\r\n\r\nhello", true })
		if _, body := get(t, provisioned(t, Transport{}), request("GET", server.address, nil)); body != "hello" {
			t.Errorf("body %q", body)
		}
	})
	t.Run("a body that nobody read to its end", func(t *testing.T) {
		server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
		res, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		res.Body.Close()
		server.awaitEnd()
		if _, err := res.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
	})
}

func TestAKeptConnectionThatTheInstanceClosed(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	for range 20 {
		get(t, via, request("GET", server.address, nil))
		server.closeAll()
		server.awaitEnd()
	}
	if n := server.accepted.Load(); n != 20 {
		t.Errorf("%d connections", n)
	}
}

// TestAKeptConnectionThatEndsWithTheRequest is the race that no look beforehand wins.
func TestAKeptConnectionThatEndsWithTheRequest(t *testing.T) {
	server := startWire(t, func(connection, request int, _ string) (string, bool) {
		if connection == 1 && request == 2 {
			return "", true
		}
		return hello, false
	})
	via := provisioned(t, Transport{})
	for range 3 {
		get(t, via, request("GET", server.address, nil))
	}
	if n := server.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestARequestIsNotRepeatedOnceAnAnswerBegan(t *testing.T) {
	var asked atomic.Int64
	server := startWire(t, func(_, request int, _ string) (string, bool) {
		asked.Add(1)
		if request == 2 {
			return "HTTP/1.1 200 O", true
		}
		return hello, false
	})
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	if res, err := via.RoundTrip(request("GET", server.address, nil)); err == nil {
		t.Errorf("status %d", res.StatusCode)
	}
	// On a new connection a silent end is an error as well.
	silent := startWire(t, func(int, int, string) (string, bool) { return "", true })
	if _, err := via.RoundTrip(request("GET", silent.address, nil)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if n := asked.Load() + silent.accepted.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestAnAnswerWithoutAQuestionIsNobodys(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	server.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	for deadline := time.Now().Add(5 * time.Second); ; {
		c := idle.take(server.address)
		if c == nil {
			break
		}
		// It has not arrived yet.
		idle.put(c)
		if time.Now().After(deadline) {
			t.Fatal("the answer was not noticed")
		}
	}
	if res, _ := get(t, via, request("GET", server.address, nil)); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestAClientThatLeaves(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		asked := make(chan struct{})
		server := startWire(t, func(int, int, string) (string, bool) {
			close(asked)
			return "", false
		})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-asked
			cancel()
		}()
		_, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != context.Canceled {
			t.Error(err)
		}
		server.awaitEnd()
	})
	t.Run("in the middle of it", func(t *testing.T) {
		server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
		ctx, cancel := context.WithCancel(context.Background())
		res, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Millisecond, cancel)
		if body, err := io.ReadAll(res.Body); err != context.Canceled || string(body) != "hello" {
			t.Error(string(body), err)
		}
		server.awaitEnd()
	})
	t.Run("after it", func(t *testing.T) {
		server := startWire(t, always(hello))
		via := provisioned(t, Transport{})
		for range 3 {
			ctx, cancel := context.WithCancel(context.Background())
			get(t, via, request("GET", server.address, nil).WithContext(ctx))
			cancel()
		}
		if n := server.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("before it was sent", func(t *testing.T) {
		server := startWire(t, always(hello))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != context.Canceled {
			t.Error(err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	server := startWire(t, func(_, _ int, head string) (string, bool) {
		if strings.Contains(head, "X-Slow-Body") {
			return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false
		}
		return "", false
	})
	via := provisioned(t, Transport{ResponseHeaderTimeout: caddy.Duration(50 * time.Millisecond)})
	var timeout net.Error
	if _, err := via.RoundTrip(request("GET", server.address, nil)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	server.awaitEnd()
	// The body may take longer than the head.
	slow := request("GET", server.address, nil)
	slow.Header.Set("X-Slow-Body", "yes")
	res, err := via.RoundTrip(slow)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(150*time.Millisecond, func() { server.conns[1].Write([]byte("hello")) })
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello" {
		t.Error(string(body), err)
	}
}

func TestErrors(t *testing.T) {
	via := provisioned(t, Transport{})
	t.Run("nobody listens", func(t *testing.T) {
		listener, _ := net.Listen("tcp", "127.0.0.1:0")
		listener.Close()
		for _, method := range []string{"GET", "POST"} {
			_, err := via.RoundTrip(request(method, listener.Addr().String(), nil))
			var dialing reverseproxy.DialError
			if !errors.As(err, &dialing) {
				t.Errorf("%s: %T %v", method, err, err)
			}
		}
	})
	for name, text := range map[string]string{
		"a head without end":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Much: "+strings.Repeat("x", 1000)+"\r\n", maxHead/1000),
		"protocols switched":      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
		"no HTTP":                 "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"two lengths that differ": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
	} {
		t.Run(name, func(t *testing.T) {
			server := startWire(t, always(text))
			if res, err := via.RoundTrip(request("GET", server.address, nil)); err == nil {
				t.Errorf("status %d", res.StatusCode)
			}
			server.awaitEnd()
			if n := server.accepted.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
	t.Run("headers that would split the request", func(t *testing.T) {
		server := startWire(t, always(hello))
		for _, header := range []http.Header{{"X-A": {"b\r\nX-C: d"}}, {"X A": {"b"}}, {"X-A:": {"b"}}} {
			r := request("GET", server.address, nil)
			r.Header = header
			if _, err := via.RoundTrip(r); err == nil {
				t.Errorf("%q was sent", header)
			}
		}
		if n := server.accepted.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestInterimAnswersAreTold(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"+hello))
	var told []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		told = append(told, fmt.Sprint(code, header.Get("Link")))
		return nil
	}}
	r := request("GET", server.address, nil)
	get(t, provisioned(t, Transport{}), r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if want := []string{"103</a.css>"}; !reflect.DeepEqual(told, want) {
		t.Error(told)
	}
}

// TestWhatNetHTTPCarries are requests that need reading and writing at once, or another protocol afterwards.
func TestWhatNetHTTPCarries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			conn, buffered, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			io.CopyN(conn, buffered, 4)
			return
		}
		// An answer of more than all buffers, before the body is read.
		if r.Header.Get("X-Early") != "" {
			w.Write(make([]byte, 8<<20))
		}
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	via := provisioned(t, Transport{Options: Options{Upgrade: []string{"echo"}}})
	for _, method := range []string{"POST", "PUT", "GET"} {
		if _, body := get(t, via, request(method, address, strings.NewReader("hello"))); body != "hello" {
			t.Errorf("%s: %q", method, body)
		}
	}
	early := request("POST", address, io.LimitReader(zeros{}, 8<<20))
	early.Header.Set("X-Early", "yes")
	res, err := via.RoundTrip(early)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := io.Copy(io.Discard, res.Body); n < 8<<20 {
		t.Errorf("%d bytes", n)
	}
	res.Body.Close()

	upgrade := request("GET", address, nil)
	upgrade.Header.Set("Connection", "Upgrade")
	upgrade.Header.Set("Upgrade", "echo")
	if res, err = via.RoundTrip(upgrade); err != nil {
		t.Fatal(err)
	}
	both := res.Body.(io.ReadWriteCloser)
	io.WriteString(both, "ping")
	if back, _ := io.ReadAll(both); string(back) != "ping" {
		t.Errorf("%q", back)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestContentIsPassedOnAsItIs has net/http's part not ask for gzip either.
func TestContentIsPassedOnAsItIs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("Accept-Encoding"))
	}))
	defer server.Close()
	via := provisioned(t, Transport{})
	for _, method := range []string{"GET", "POST"} {
		if _, asked := get(t, via, request(method, server.Listener.Addr().String(), nil)); asked != "" {
			t.Errorf("%s asks for %q", method, asked)
		}
	}
}

func TestConnectionsOutliveConfigurations(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	old := provisioned(t, Transport{})
	post := func(via http.RoundTripper) { get(t, via, request("POST", server.address, nil)) }
	get(t, old, request("GET", server.address, nil))
	post(old)
	renewed := provisioned(t, Transport{})
	if err := old.Cleanup(); err != nil {
		t.Fatal(err)
	}
	old.shared = nil
	get(t, renewed, request("GET", server.address, nil))
	post(renewed)
	if n := server.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestSweep(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	shard := idle.shard(server.address)
	count := func() int {
		shard.mu.Lock()
		defer shard.mu.Unlock()
		return len(shard.conns[server.address])
	}
	shard.sweep(time.Now())
	if n := count(); n != 1 {
		t.Fatalf("%d connections", n)
	}
	shard.sweep(time.Now().Add(idleFor))
	if n := count(); n != 0 {
		t.Errorf("%d connections after their time", n)
	}
	server.awaitEnd()

	get(t, via, request("GET", server.address, nil))
	server.closeAll()
	for deadline := time.Now().Add(5 * time.Second); count() > 0; shard.sweep(time.Now()) {
		if time.Now().After(deadline) {
			t.Fatal("a connection that the instance closed is kept")
		}
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	release := make(chan struct{})
	server := startWire(t, func(int, int, string) (string, bool) {
		<-release
		return hello, false
	})
	via := provisioned(t, Transport{})
	var all sync.WaitGroup
	for range maxIdle + 20 {
		all.Go(func() { get(t, via, request("GET", server.address, nil)) })
	}
	for server.accepted.Load() < maxIdle+20 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	all.Wait()
	for range 20 {
		server.awaitEnd()
	}
	if n := len(idle.shard(server.address).conns[server.address]); n != maxIdle {
		t.Errorf("%d idle connections", n)
	}
}

// TestLikeNetHTTP compares with net/http over random answers, each from several clients at once over kept connections.
func TestLikeNetHTTP(t *testing.T) {
	server := startWire(t, func(_, _ int, head string) (string, bool) {
		_, seed, _ := strings.Cut(head, "X-Seed: ")
		var number uint64
		fmt.Sscanf(seed, "%d", &number)
		return randomAnswer(rand.New(rand.NewPCG(number, 7)), strings.HasPrefix(head, "HEAD"))
	})
	via := provisioned(t, Transport{})
	std := &http.Transport{DisableCompression: true}
	defer std.CloseIdleConnections()
	outcome := func(via http.RoundTripper, seed int) string {
		method := []string{"GET", "GET", "HEAD", "OPTIONS"}[seed%4]
		r := request(method, server.address, nil)
		r.Header.Set("X-Seed", fmt.Sprint(seed))
		res, err := via.RoundTrip(r)
		if err != nil {
			return "error"
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return fmt.Sprint(res.Status, res.Header, res.ContentLength, res.TransferEncoding, res.Close, len(body), err != nil, res.Trailer)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 150 {
				seed := worker*1000 + i
				if ours, theirs := outcome(via, seed), outcome(std, seed); ours != theirs {
					t.Errorf("seed %d:\n%s\n%s", seed, ours, theirs)
				}
			}
		})
	}
	all.Wait()
}

func randomAnswer(r *rand.Rand, head bool) (text string, end bool) {
	for range r.IntN(3) {
		text += "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	}
	version := "1.1"
	if r.IntN(8) == 0 {
		version = "1.0"
	}
	status := []string{"200 OK", "404 Not Found", "204 No Content", "304 Not Modified", "302 Found", "500 Oops"}[r.IntN(6)]
	text += "HTTP/" + version + " " + status + "\r\nX-Number: " + fmt.Sprint(r.IntN(1000)) + "\r\n"
	if end = r.IntN(8) == 0; end {
		text += "Connection: close\r\n"
	}
	body := strings.Repeat("b", r.IntN(3)*r.IntN(20_000))
	none := head || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304")
	switch kind := r.IntN(6); {
	case kind < 3:
		text += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	case kind < 5 && version == "1.1":
		text += "Transfer-Encoding: chunked\r\n"
		if r.IntN(2) == 0 {
			text += "Trailer: X-After\r\n"
		}
		text += "\r\n"
		if body != "" {
			body = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
		}
		body += "0\r\n"
		if strings.Contains(text, "Trailer") {
			body += "X-After: yes\r\n"
		}
		body += "\r\n"
	default:
		text, end = text+"\r\n", true
	}
	if none {
		body = ""
	}
	if r.IntN(15) == 0 && len(body) > 10 {
		return text + body[:len(body)/2], true
	}
	return text + body, end || version == "1.0"
}
