package transport

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(HTTP{}) }

// HTTP is the module `http.reverse_proxy.transport.gatewright_http`: Caddy's transport `http`, for TLS, HTTP/2 and PROXY
// protocol, with the checks of this package. Its connections, on which an instance that is asked may choose HTTP/2, are opened
// by net/http; those on which HTTP/1.1 is spoken go the way of Transport from then on.
//
//	{"handler": "reverse_proxy", "transport": {"protocol": "gatewright_http", "versions": ["h2c"]}}
type HTTP struct {
	Options

	reverseproxy.HTTPTransport

	// idle are the connections of HTTP/1.1; nil where none is spoken.
	idle *idleConns
}

// CaddyModule returns the module's information.
func (HTTP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.gatewright_http", New: func() caddy.Module { return new(HTTP) }}
}

// Provision sets the transport up.
func (h *HTTP) Provision(ctx caddy.Context) error {
	if err := h.provision(); err != nil {
		return err
	}
	if err := h.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	// Over TLS the instance chooses.
	h.http2 = slices.Contains(h.Versions, "h2c") || h.TLS != nil && slices.Contains(h.Versions, "2")
	if !slices.Contains(h.Versions, "h2c") {
		h.idle = new(idleConns)
		h.openFor(h.Transport)
	}
	return nil
}

// Cleanup closes the idle connections.
func (h *HTTP) Cleanup() error {
	if h.idle != nil {
		h.idle.close()
	}
	return h.HTTPTransport.Cleanup()
}

// RoundTrip sends a request to the address in its URL, and returns the answer.
func (h *HTTP) RoundTrip(r *http.Request) (*http.Response, error) {
	noted := begin(r)
	res, err := h.roundTrip(r, noted)
	noted.end(res, err, r)
	return res, err
}

func (h *HTTP) roundTrip(r *http.Request, noted attempt) (*http.Response, error) {
	if err := allowUpgrade(r, h.Upgrade); err != nil {
		return nil, err
	}
	return h.carry(r, exchanger(func(r *http.Request) (*http.Response, error) { return h.exchange(r, noted) }))
}

func (h *HTTP) exchange(r *http.Request, noted attempt) (*http.Response, error) {
	if h.idle == nil || r.Header["Upgrade"] != nil {
		sortInterim(r)
		noted.trace(r)
		return h.HTTPTransport.RoundTrip(r)
	}
	within := time.Duration(h.ResponseHeaderTimeout)
	if res, err, done := h.idle.exchange(r, within); done {
		return res, err
	}
	var first opening
	asked := r.WithContext(context.WithValue(r.Context(), openingKey{}, &first))
	sortInterim(asked)
	noted.trace(asked)
	began := time.Now()
	res, err := h.HTTPTransport.RoundTrip(asked)
	conn := first.end()
	if !errors.Is(err, errFirst) {
		// A request may end before its connection is there, and with HTTP/2 another one's may serve.
		if conn != nil {
			_ = conn.Close()
		}
		return res, err
	}
	noted.connected(time.Since(began))
	return newConn(conn, r.URL.Host, h.idle).exchange(r, within)
}

// Interface guards.
var (
	_ caddy.Provisioner                   = (*HTTP)(nil)
	_ caddy.CleanerUpper                  = (*HTTP)(nil)
	_ http.RoundTripper                   = (*HTTP)(nil)
	_ reverseproxy.TLSTransport           = (*HTTP)(nil)
	_ reverseproxy.ProxyProtocolTransport = (*HTTP)(nil)
)
