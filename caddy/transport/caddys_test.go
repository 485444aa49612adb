package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"gatewright.dev/caddy/internal/certtest"
)

// TestHTTP2 holds which instances may be sent gRPC, for which the client has no limit of silence.
func TestHTTP2(t *testing.T) {
	withTLS := func() *reverseproxy.TLSConfig { return new(reverseproxy.TLSConfig) }
	for _, c := range []struct {
		name string
		with reverseproxy.HTTPTransport
		want bool
	}{
		{"plain", reverseproxy.HTTPTransport{}, false},
		{"PROXY protocol", reverseproxy.HTTPTransport{ProxyProtocol: "v1"}, false},
		{"h2c", reverseproxy.HTTPTransport{Versions: []string{"h2c"}}, true},
		{"TLS", reverseproxy.HTTPTransport{TLS: withTLS()}, true},
		{"TLS with HTTP/1.1 alone", reverseproxy.HTTPTransport{TLS: withTLS(), Versions: []string{"1.1"}}, false},
	} {
		if h := provisionedHTTP(t, c.with); h.http2 != c.want {
			t.Errorf("E9 %s: carries HTTP/2: %v, want %v", c.name, h.http2, c.want)
		}
	}
}

// TestTheInstanceChooses has an instance that knows HTTP/2 get it, on one connection, and HTTP/1.1 for an upgrade.
func TestTheInstanceChooses(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, r.Proto+" "+r.RemoteAddr)
			return
		}
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.CopyN(conn, buffered, 4)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	via, address := overTLS(t), server.Listener.Addr().String()
	_, first := get(t, via, request("GET", address, nil))
	_, second := get(t, via, request("POST", address, nil))
	if first != second || first[:8] != "HTTP/2.0" {
		t.Errorf("%q, then %q", first, second)
	}
	upgrade := request("GET", address, nil)
	upgrade.Header["Connection"], upgrade.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	res, err := via.RoundTrip(upgrade)
	if err != nil {
		t.Fatal(err)
	}
	both := res.Body.(io.ReadWriteCloser)
	_, _ = io.WriteString(both, "ping")
	if back, _ := io.ReadAll(both); string(back) != "ping" {
		t.Errorf("%q", back)
	}
}

// TestTheNameThatIsAskedFor is the setting's, else that of the address.
func TestTheNameThatIsAskedFor(t *testing.T) {
	asked := make(chan string, 1)
	config := certtest.Server(t, "wire.test")
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		asked <- hello.ServerName
		return nil, nil
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(startWireOn(t, listener, always(hello)).address)
	for _, c := range []struct{ name, host, want string }{
		{"wire.test", "127.0.0.1", "wire.test"}, {"", "localhost", "localhost"}, {"", "127.0.0.1", ""},
	} {
		via := provisionedHTTP(t, reverseproxy.HTTPTransport{TLS: &reverseproxy.TLSConfig{ServerName: c.name}})
		get(t, via, request("GET", net.JoinHostPort(c.host, port), nil))
		if got := <-asked; got != c.want {
			t.Errorf("%q at %s: asked for %q", c.name, c.host, got)
		}
	}
}

// TestAHandshakeIsPartOfTheConnection has one that never ends, and one that fails, be tried elsewhere: nothing was sent.
func TestAHandshakeIsPartOfTheConnection(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	via := provisionedHTTP(t, reverseproxy.HTTPTransport{
		TLS: new(reverseproxy.TLSConfig), DialTimeout: caddy.Duration(50 * time.Millisecond),
	})
	for name, address := range map[string]string{
		"silent": silent.Addr().String(),
		"plain":  startWire(t, always(hello)).address,
	} {
		_, err := via.RoundTrip(request("POST", address, nil))
		var dialing reverseproxy.DialError
		if !errors.As(err, &dialing) {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
}

// TestAConnectionThatComesTooLate belongs to nobody.
func TestAConnectionThatComesTooLate(t *testing.T) {
	for _, late := range []bool{false, true} {
		var o opening
		ours, theirs := net.Pipe()
		defer theirs.Close()
		if late {
			if conn := o.end(); conn != nil {
				t.Error("there is one before it was opened")
			}
		}
		o.set(ours)
		if late {
			if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
				t.Error("it is left open", err)
			}
		} else if o.end() != ours {
			t.Error("it was lost")
		}
	}
}

func TestKeptConnectionsOverTLSEndWithTheirTransport(t *testing.T) {
	server, via := startSecureWire(t, always(hello)), overTLS(t)
	get(t, via, request("GET", server.address, nil))
	if err := via.Cleanup(); err != nil {
		t.Fatal(err)
	}
	server.awaitEnd()
}
