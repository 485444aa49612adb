package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// errFirst is what net/http gets in the place of a connection on which HTTP/1.1 is spoken.
var errFirst = errors.New("the connection is for HTTP/1.1")

// opening is the connection that is opened for a request, which may have ended by then.
type opening struct {
	mu    sync.Mutex
	conn  net.Conn
	ended bool
}

type openingKey struct{}

func (o *opening) set(conn net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		_ = conn.Close()
		return
	}
	o.conn = conn
}

// end returns the connection, if there is one. What is opened later is closed.
func (o *opening) end() net.Conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	return o.conn
}

// openFor has the transport keep of the connections it opens those of HTTP/2 and of requests for another protocol. The others
// go to their requests (opening).
func (h *HTTP) openFor(t *http.Transport) {
	open := t.DialContext
	if h.TLS == nil {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return toRequest(ctx, open, network, address)
		}
		return
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return toRequest(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := open(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return h.secure(ctx, conn, t.TLSClientConfig.Clone(), address)
		}, network, address)
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func toRequest(ctx context.Context, open dialer, network, address string) (net.Conn, error) {
	conn, err := open(ctx, network, address)
	if err != nil {
		return nil, err
	}
	first, _ := ctx.Value(openingKey{}).(*opening)
	if over, ok := conn.(*tls.Conn); first == nil || ok && over.ConnectionState().NegotiatedProtocol == "h2" {
		return conn, nil
	}
	first.set(conn)
	return nil, errFirst
}

// secure makes TLS of a connection. Nothing of the request was sent when that fails, or takes longer than a connection may.
func (h *HTTP) secure(ctx context.Context, conn net.Conn, config *tls.Config, address string) (net.Conn, error) {
	if ctx.Value(openingKey{}) == nil {
		// HTTP/2 has no upgrades.
		config.NextProtos = nil
	}
	if config.ServerName == "" {
		if to, ok := reverseproxy.GetDialInfo(ctx); ok {
			config.ServerName = to.Host
		} else if host, _, err := net.SplitHostPort(address); err == nil {
			config.ServerName = host
		}
	}
	over := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(h.DialTimeout))
	defer cancel()
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, handshakeError{err}
	}
	return over, nil
}

// handshakeError is an error of dialling to the proxy, which then tries another address, whatever the method.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() []error { return []error{e.error, reverseproxy.NewDialError(e.error)} }
