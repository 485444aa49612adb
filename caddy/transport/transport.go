// Package transport carries requests to instances: Gatewright's transport for Caddy's reverse proxy.
package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(Transport{}) }

const (
	// maxIdle is how many idle connections of an address are kept. With Caddy's 32 a busy instance is dialled again and again.
	maxIdle = 256
	// idleFor is how long they are.
	idleFor = 2 * time.Minute
	// keepAlive is the interval of TCP's own probes.
	keepAlive = 30 * time.Second
	// defaultDialTimeout is that of Caddy's transport.
	defaultDialTimeout = 3 * time.Second
)

// Transport is the module `http.reverse_proxy.transport.gatewright`: plain HTTP/1.1 to addresses of TCP.
//
//	{"handler": "reverse_proxy", "transport": {"protocol": "gatewright", "dial_timeout": "3s"}}
//
// It differs from Caddy's own transport `http` in three ways:
//
//   - Requests are written, and their answers read, by the goroutine that serves the request: net/http has two goroutines
//     for each connection, and passes each request to one and gets its answer from the other. A request that has a body is
//     written by a second goroutine. Only what asks for another protocol goes through net/http.
//   - Idle connections belong to the process: handlers with the same options share them, and a reload closes none.
//   - Content is passed on as the instance has encoded it; no compression is asked for that the client did not ask for.
type Transport struct {
	// DialTimeout bounds the opening of a connection. Default: 3s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// ResponseHeaderTimeout bounds the wait for an answer's head, from when the request is written. Default: none.
	ResponseHeaderTimeout caddy.Duration `json:"response_header_timeout,omitempty"`

	Options

	dialer net.Dialer
	stock  *http.Transport
	shared *sharedBy
}

// sharedBy are the options that transports have equal which share connections of net/http.
type sharedBy struct{ dial, head time.Duration }

// stocks are the transports of net/http by their options.
var stocks = caddy.NewUsagePool()

type stock struct{ *http.Transport }

// Destruct closes the idle connections (caddy.Destructor).
func (s stock) Destruct() error {
	s.CloseIdleConnections()
	return nil
}

// CaddyModule returns the module's information.
func (Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.gatewright", New: func() caddy.Module { return new(Transport) }}
}

// Provision sets the transport up.
func (t *Transport) Provision(caddy.Context) error {
	if t.DialTimeout < 0 || t.ResponseHeaderTimeout < 0 {
		return errors.New("dial_timeout or response_header_timeout is negative")
	}
	if t.DialTimeout == 0 {
		t.DialTimeout = caddy.Duration(defaultDialTimeout)
	}
	if err := t.provision(); err != nil {
		return err
	}
	t.dialer = net.Dialer{Timeout: time.Duration(t.DialTimeout), KeepAlive: keepAlive}
	key := sharedBy{time.Duration(t.DialTimeout), time.Duration(t.ResponseHeaderTimeout)}
	shared, _, err := stocks.LoadOrNew(key, func() (caddy.Destructor, error) {
		dialer := t.dialer
		return stock{&http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dial(ctx, &dialer, network, address)
			},
			ResponseHeaderTimeout: key.head,
			MaxIdleConnsPerHost:   maxIdle,
			IdleConnTimeout:       idleFor,
			DisableCompression:    true,
		}}, nil
	})
	if err != nil {
		return err
	}
	t.stock, t.shared = shared.(stock).Transport, &key
	return nil
}

// Cleanup gives the connections of net/http back.
func (t *Transport) Cleanup() error {
	if t.shared == nil {
		return nil
	}
	_, err := stocks.Delete(*t.shared)
	return err
}

// RoundTrip sends a request to the address in its URL, and returns the answer.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	noted := begin(r)
	res, err := t.roundTrip(r, noted)
	noted.end(res, err, r)
	return res, err
}

func (t *Transport) roundTrip(r *http.Request, noted attempt) (*http.Response, error) {
	if err := allowUpgrade(r, t.Upgrade); err != nil {
		return nil, err
	}
	if r.Header["Upgrade"] != nil {
		r.URL.Scheme = "http"
		sortInterim(r)
		noted.trace(r)
		return t.carry(r, t.stock)
	}
	if hasBody(r) {
		return t.carry(r, exchanger(func(r *http.Request) (*http.Response, error) { return t.exchange(r, noted) }))
	}
	return t.exchange(r, noted)
}

func (t *Transport) exchange(r *http.Request, noted attempt) (*http.Response, error) {
	within := time.Duration(t.ResponseHeaderTimeout)
	if res, err, done := idle.exchange(r, within); done {
		return res, err
	}
	began := time.Now()
	opened, err := dial(r.Context(), &t.dialer, "tcp", r.URL.Host)
	if err != nil {
		return nil, err
	}
	noted.connected(time.Since(began))
	return newConn(opened, r.URL.Host, &idle).exchange(r, within)
}

// exchanger is a function as a transport.
type exchanger func(*http.Request) (*http.Response, error)

// RoundTrip sends a request (http.RoundTripper).
func (e exchanger) RoundTrip(r *http.Request) (*http.Response, error) { return e(r) }

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// isRepeatable tells whether a request may be sent twice (RFC 9110 section 9.2.2) and can be: net/http has the same rule.
func isRepeatable(r *http.Request) bool {
	if hasBody(r) {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// dial opens a connection. Caddy tries again after errors of this type, whatever the method.
func dial(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, reverseproxy.NewDialError(err)
	}
	return conn, nil
}

// Interface guards.
var (
	_ caddy.Provisioner  = (*Transport)(nil)
	_ caddy.CleanerUpper = (*Transport)(nil)
	_ http.RoundTripper  = (*Transport)(nil)
)
