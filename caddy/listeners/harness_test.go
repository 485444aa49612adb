package listeners

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/freeport"
)

// This file is the harness of the package's tests.

// handled counts what handlers did, of all configurations.
var handled atomic.Int64

// echo answers with the configuration's version and the body, on connections that live through reloads.
type echo struct {
	Version string `json:"version"`
}

func init() { caddy.RegisterModule(echo{}) }

func (echo) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.echo_test", New: func() caddy.Module { return new(echo) }}
}

func (e *echo) Provision(ctx caddy.Context) error {
	Follow(ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server))
	return nil
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !Take(r) {
		panic(http.ErrAbortHandler)
	}
	handled.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, err = fmt.Fprintf(w, "%s %s", e.Version, body)
	return err
}

// world is a Caddy in this process. Its sockets are the process's, so that tests do not run in parallel.
type world struct {
	t    *testing.T
	port int
	// more is merged into the server.
	more map[string]any
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, port: freeport.Find(t), more: map[string]any{}}
	t.Cleanup(func() {
		_ = caddy.Stop()
		// Servers shut down in the background.
		w.awaitSockets(0)
	})
	return w
}

func (w *world) load(version string, addresses ...string) error {
	w.t.Helper()
	server := map[string]any{
		"listen": addresses, "automatic_https": map[string]any{"disable": true}, "protocols": []string{"h1", "h2"},
		"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "echo_test", "version": version}}}},
	}
	for key, value := range w.more {
		server[key] = value
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": map[string]any{"module": "file_system", "root": w.t.TempDir()},
		"apps":    map[string]any{"http": map[string]any{"servers": map[string]any{"main": server}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return caddy.Load(text, true)
}

func (w *world) mustLoad(version string, addresses ...string) {
	w.t.Helper()
	if err := w.load(version, addresses...); err != nil {
		w.t.Fatal(err)
	}
}

func at(host string, port int) string {
	return Network + "/" + net.JoinHostPort(host, strconv.Itoa(port))
}

// client is a connection and what came of it: net/http's own client hides lost connections by repeating requests.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (w *world) dial() *client {
	w.t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)), 5*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{conn, bufio.NewReader(conn)}
}

func request(body string) string {
	if body == "" {
		return "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	}
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (c *client) send(text string) error {
	_, err := io.WriteString(c.conn, text)
	return err
}

// receive is the body of the next answer, and whether the server then closes.
func (c *client) receive() (string, bool, error) {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), response.Close, err
}

func (c *client) expect(t *testing.T, send, want string) {
	t.Helper()
	if err := c.send(send); err != nil {
		t.Fatal(err)
	}
	got, _, err := c.receive()
	if err != nil || got != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// awaitSockets waits until older configurations have closed what no newer one has.
func (w *world) awaitSockets(want int) {
	w.t.Helper()
	for range 1000 {
		mu.Lock()
		open := len(sockets)
		mu.Unlock()
		if open == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Errorf("sockets of older configurations stay open: not %d", want)
}
