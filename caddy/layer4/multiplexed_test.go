package layer4

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/internal/freeport"
)

// multiplexedWorld ends TLS for secure.test; with HTTP/3 the wrapper stands behind Caddy's own TLS.
func multiplexedWorld(t *testing.T, http3 bool) *world {
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "secure.test")
	w.apps["tls"] = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.wrapper["tls"] = map[string]any{}
	if http3 {
		w.server["protocols"] = []string{"h1", "h2", "h3"}
		w.server["tls_connection_policies"] = []any{map[string]any{}}
	}
	w.load()
	w.rows(w.row("secure", "secure.test", true))
	return w
}

// client is one of HTTP/2 over connections that are counted. What it asks for is never sent again: its bodies cannot be.
func (w *world) client(dials *atomic.Int64) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "secure.test"}, ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, w.address())
		},
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// post sends a body that cannot be sent again, and returns what is answered.
func post(client *http.Client, path string) (string, error) {
	body := struct{ io.Reader }{bytes.NewReader(bytes.Repeat([]byte("x"), 3000))}
	response, err := client.Post("https://secure.test"+path, "text/plain", body)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if response.ProtoMajor != 2 {
		return "", fmt.Errorf("it is HTTP/%d", response.ProtoMajor)
	}
	return string(answer), err
}

// TestHTTP2OutlivesReloads: no reload ends a connection or loses a request on it.
func TestHTTP2OutlivesReloads(t *testing.T) {
	for name, http3 := range map[string]bool{"TLS of the wrapper": false, "beside HTTP/3": true} {
		t.Run(name, func(t *testing.T) {
			w := multiplexedWorld(t, http3)
			var dials, sent atomic.Int64
			done := make(chan struct{})
			var clients sync.WaitGroup
			for number := range 6 {
				client := w.client(&dials)
				clients.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-done:
							return
						default:
						}
						path := fmt.Sprintf("/%d-%d", number, i)
						answer, err := post(client, path)
						sent.Add(1)
						if want := "secure.test" + path; err != nil || len(answer) < len(want) || answer[:len(want)] != want {
							t.Errorf("%s: %q, %v", path, answer, err)
						}
					}
				})
			}
			for range 50 {
				before := sent.Load()
				w.load()
				for sent.Load() < before+3 {
					time.Sleep(time.Millisecond)
				}
			}
			close(done)
			clients.Wait()
			t.Logf("%d requests over %d connections", sent.Load(), dials.Load())
			if dials.Load() != 6 {
				t.Errorf("6 clients made %d connections", dials.Load())
			}
		})
	}
}

// TestHTTP2MeetsTheNewest: a connection's next request is answered by what was loaded since.
func TestHTTP2MeetsTheNewest(t *testing.T) {
	w := multiplexedWorld(t, false)
	var dials atomic.Int64
	client := w.client(&dials)
	header := func() string {
		t.Helper()
		response, err := client.Get("https://secure.test/")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Header.Get("X-Version")
	}
	for version := range 3 {
		w.server["routes"] = []any{map[string]any{"handle": []any{map[string]any{
			"handler": "static_response", "headers": map[string]any{"X-Version": []string{fmt.Sprint(version)}},
		}}}}
		w.load()
		if got := header(); got != fmt.Sprint(version) {
			t.Fatalf("%q answered instead of %d", got, version)
		}
	}
	if dials.Load() != 1 {
		t.Fatalf("there were %d connections", dials.Load())
	}
}

// TestHTTP2ThatSaysNothing ends with the time for a first request, and one that has made it does not.
func TestHTTP2ThatSaysNothing(t *testing.T) {
	w := multiplexedWorld(t, false)
	w.server["read_header_timeout"] = "300ms"
	w.load()
	var dials atomic.Int64
	client := w.client(&dials)
	if _, err := post(client, "/"); err != nil {
		t.Fatal(err)
	}
	silent, err := tls.Dial("tcp", w.address(), &tls.Config{InsecureSkipVerify: true, ServerName: "secure.test", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	// All but a request: the preface and empty settings.
	if _, err := silent.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, silent); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("it stays as long as an idle one")
	}
	if _, err := post(client, "/"); err != nil || dials.Load() != 1 {
		t.Fatalf("one that has spoken did not stay: %v, %d connections", err, dials.Load())
	}
}

// holding is a handler that answers when it is let.
type holding struct{}

var begun, let = make(chan struct{}), make(chan struct{})

func init() { caddy.RegisterModule(holding{}) }

func (holding) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_holding", New: func() caddy.Module { return new(holding) }}
}

func (holding) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	begun <- struct{}{}
	<-let
	_, err := io.WriteString(w, "at last")
	return err
}

// TestHTTP2GoesWithItsPort: the last configuration of a port tells its clients to go away, when they have their answers.
func TestHTTP2GoesWithItsPort(t *testing.T) {
	w := multiplexedWorld(t, false)
	w.server["routes"] = []any{map[string]any{"handle": []any{map[string]any{"handler": "test_holding"}}}}
	w.load()
	var dials atomic.Int64
	client, answered := w.client(&dials), make(chan string)
	go func() {
		answer, err := post(client, "/")
		if err != nil {
			answer = err.Error()
		}
		answered <- answer
	}()
	<-begun
	w.port = freeport.Find(t)
	w.load()
	let <- struct{}{}
	if answer := <-answered; answer != "at last" {
		t.Fatalf("what was being asked was lost: %s", answer)
	}
	doors.mu.Lock()
	defer doors.mu.Unlock()
	for doors.conns > 0 {
		doors.ended.Wait()
	}
}
