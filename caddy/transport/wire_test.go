package transport

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"gatewright.dev/caddy/internal/certtest"
)

// This file is the harness of the tests of this package.

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
	return startWireOn(t, listener, answer)
}

// startSecureWire is a wire behind TLS.
func startSecureWire(t *testing.T, answer func(connection, request int, head string) (string, bool)) *wire {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", certtest.Server(t, "wire.test"))
	if err != nil {
		t.Fatal(err)
	}
	return startWireOn(t, listener, answer)
}

func startWireOn(t *testing.T, listener net.Listener, answer func(connection, request int, head string) (string, bool)) *wire {
	t.Helper()
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

// caddys is Caddy's transport, with requests as the proxy makes them: the scheme is the transport's to say.
type caddys struct{ *HTTP }

func (c caddys) RoundTrip(r *http.Request) (*http.Response, error) {
	r.URL.Scheme = ""
	return c.HTTP.RoundTrip(r)
}

// provisionedHTTP is Caddy's transport with the settings, of an instance that need not prove who it is.
func provisionedHTTP(t *testing.T, settings reverseproxy.HTTPTransport) caddys {
	t.Helper()
	h := &HTTP{HTTPTransport: settings}
	if h.TLS != nil {
		h.TLS.InsecureSkipVerify = true
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Cleanup() })
	return caddys{h}
}

// overTLS is Caddy's transport with TLS.
func overTLS(t *testing.T) caddys {
	t.Helper()
	return provisionedHTTP(t, reverseproxy.HTTPTransport{TLS: new(reverseproxy.TLSConfig)})
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
