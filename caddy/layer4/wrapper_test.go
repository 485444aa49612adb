package layer4

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/certtest"
)

const (
	raceClients  = 200
	raceRequests = 50
)

// TestEachClientGetsItsOwnAnswer is D1: a wrapper whose buffers went to other connections mixed plain requests.
func TestEachClientGetsItsOwnAnswer(t *testing.T) {
	w := newWorld(t)
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.load()
	w.rows(w.row("plain", "plain.test", false), w.row("secure", "secure.test", true))
	var clients sync.WaitGroup
	for client := range raceClients {
		clients.Go(func() {
			for i := range raceRequests {
				path := fmt.Sprintf("/client-%d-%d", client, i)
				if got, err := w.ask("plain.test", path); err != nil || got != "plain.test"+path {
					t.Errorf("%s: %q, %v", path, got, err)
				}
			}
		})
	}
	clients.Wait()
}

// ask sends one request on a connection of its own, and returns the host and path that the handler saw.
func (w *world) ask(host, path string) (string, error) {
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return askOn(conn, host, path)
}

func askOn(conn net.Conn, host, path string) (string, error) {
	seen, _, err := exchangeOn(conn, host, path)
	return seen, err
}

// exchangeOn tells besides whether the server closes the connection.
func exchangeOn(conn net.Conn, host, path string) (seen string, closes bool, err error) {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return "", false, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return fmt.Sprint(response.StatusCode), response.Close, err
	}
	seen, _, _ = strings.Cut(string(body), " ")
	return seen, response.Close, err
}

// TestKindsOnOnePort has plain HTTP, HTTPS with both versions, and passthrough share a port, with requests that come in
// the same packet as the one before.
func TestKindsOnOnePort(t *testing.T) {
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "a.test", "b.test")
	w.apps["tls"] = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.load()
	w.rows(w.row("secure", "a.test", true), w.row("plain", "b.test", false), w.passed("raw", "raw.test", tlsEcho(t)))
	for _, c := range []struct{ host, want string }{{"a.test", "404"}, {"b.test", "b.test/"}} {
		if got, err := w.ask(c.host, "/"); err != nil || got != c.want {
			t.Errorf("http %s: %q, %v", c.host, got, err)
		}
	}
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, c := range []struct {
			host   string
			status int
		}{{"a.test", 200}, {"b.test", 404}} {
			if got := w.visit(c.host, protocol); got.StatusCode != c.status || protocol == "h2" != (got.ProtoMajor == 2) {
				t.Errorf("https %s by %s: %s %d", c.host, protocol, got.Proto, got.StatusCode)
			}
		}
	}
	conn, err := tls.Dial("tcp", w.address(), &tls.Config{ServerName: "raw.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "hello")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("passthrough: %q, %v", line, err)
	}
}

// tlsEcho is the address of a TLS server that sends back what it gets.
func tlsEcho(t *testing.T) net.Addr {
	t.Helper()
	certificate, key := certtest.SelfSigned(t, "raw.test")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go echo(listener)
	return listener.Addr()
}

// echo sends back what comes over each connection.
func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(conn, conn) }()
	}
}

// visit makes an HTTPS request with one protocol on a connection of its own.
func (w *world) visit(host, protocol string) *http.Response {
	w.t.Helper()
	transport := &http.Transport{
		ForceAttemptHTTP2: protocol == "h2",
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: host, NextProtos: []string{protocol}},
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest("GET", fmt.Sprintf("https://%s/", w.address()), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Host = host
	response, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	response.Body.Close()
	return response
}

// TestPlainConnectionsOutliveReloads behind the wrapper too, and those that have not said a word.
func TestPlainConnectionsOutliveReloads(t *testing.T) {
	w := newWorld(t)
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.wrapper["proxy_protocol_from"] = []string{"127.0.0.0/8"}
	w.load()
	w.rows(w.row("plain", "plain.test", false), w.row("secure", "secure.test", true))
	dial := func(begin string) net.Conn {
		conn, err := net.Dial("tcp", w.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, begin); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	header := "PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n"
	kept, half, silent, told := dial(header), dial(header+"GET /half HTTP/1.1\r\n"), dial(""), dial(header[:20])
	if got, err := askOn(kept, "plain.test", "/one"); err != nil || got != "plain.test/one" {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range 5 {
		w.load()
		if got, err := askOn(kept, "plain.test", fmt.Sprint("/", i)); err != nil || got != fmt.Sprint("plain.test/", i) {
			t.Fatalf("after reload %d: %q, %v", i, got, err)
		}
	}
	if _, err := io.WriteString(half, "Host: plain.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, half); body != "plain.test/half 192.0.2.7" {
		t.Errorf("half a request: %q", body)
	}
	if got, err := askOn(silent, "plain.test", "/silent"); err != nil || got != "plain.test/silent" {
		t.Errorf("silent: %q, %v", got, err)
	}
	if _, err := io.WriteString(told, header[20:]+"GET /told HTTP/1.1\r\nHost: plain.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, told); body != "plain.test/told 192.0.2.7" {
		t.Errorf("half a PROXY header: %q", body)
	}
}

// A header that tells no address was read all the same: what follows a hand-over is the client's, and a header there
// would give it any address.
func TestNoSecondProxyHeaderAfterAReload(t *testing.T) {
	w := newWorld(t)
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.wrapper["proxy_protocol_from"] = []string{"127.0.0.0/8"}
	w.load()
	w.rows(w.row("plain", "plain.test", false))
	for name, header := range map[string]string{
		"unknown": "PROXY UNKNOWN\r\n",
		"local":   string(signatureV2) + "\x20\x00\x00\x00",
		"tcp":     "PROXY TCP4 127.0.0.1 127.0.0.1 1234 80\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", w.address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, header); err != nil {
				t.Fatal(err)
			}
			// The header was read by now.
			if got, err := w.ask("plain.test", "/other"); err != nil || got != "plain.test/other" {
				t.Fatalf("%q, %v", got, err)
			}
			w.load()
			const second = "PROXY TCP4 192.0.2.66 192.0.2.1 1234 80\r\nGET /two HTTP/1.1\r\nHost: plain.test\r\n\r\n"
			if _, err := io.WriteString(conn, second); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != http.StatusBadRequest {
				t.Errorf("a second header: %v, %v", answer, err)
			}
		})
	}
}

func bodyOf(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestSecureConnectionsOutliveReloads has clients send over kept connections of HTTPS, by HTTP/1.1, and over new ones,
// through reloads: none is lost, and each is answered once.
func TestSecureConnectionsOutliveReloads(t *testing.T) {
	const reloads = 50
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "secure.test")
	w.apps["tls"] = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.wrapper["tls"] = map[string]any{}
	w.load()
	w.rows(w.row("secure", "secure.test", true))
	dial := func() *tls.Conn {
		conn, err := tls.Dial("tcp", w.address(), &tls.Config{InsecureSkipVerify: true, ServerName: "secure.test"})
		if err != nil {
			t.Errorf("handshake: %v", err)
			return nil
		}
		return conn
	}
	var sent, lost atomic.Int64
	done := make(chan struct{})
	var clients sync.WaitGroup
	var told atomic.Int64
	run := func(client int, kept bool, pause time.Duration) {
		conn := dial()
		for i := 0; conn != nil; i++ {
			select {
			case <-done:
				conn.Close()
				return
			default:
			}
			sent.Add(1)
			path := fmt.Sprintf("/%d-%d", client, i)
			got, closes, err := exchangeOn(conn, "secure.test", path)
			if err != nil || got != "secure.test"+path {
				lost.Add(1)
				t.Logf("%s: %q, %v", path, got, err)
			}
			if closes {
				// The answer was being written when its server began to shut down.
				told.Add(1)
			}
			if !kept || closes || err != nil {
				conn.Close()
				conn = dial()
			}
			time.Sleep(pause)
		}
	}
	for client := range 12 {
		clients.Go(func() { run(client, client%3 != 0, time.Duration(client%4)*time.Millisecond) })
	}
	made := 0
	// As many requests as reloads at the least, on however busy a machine.
	for ; made < reloads || sent.Load() < reloads; made++ {
		w.load()
	}
	close(done)
	clients.Wait()
	t.Logf("%d requests, %d lost, %d connections closed after an answer that said so", sent.Load(), lost.Load(), told.Load())
	if lost.Load() > 0 {
		t.Errorf("of %d requests %d were lost", sent.Load(), lost.Load())
	}
	// Idle ones change over: were each reload to close them, it would be all of eight kept clients.
	if told.Load() > int64(made)*8/4 {
		t.Errorf("%d connections were closed", told.Load())
	}
}
