package transport

import (
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(HTTP{}) }

// HTTP is the module `http.reverse_proxy.transport.gatewright_http`: Caddy's transport `http`, for TLS, HTTP/2 and PROXY
// protocol, with the checks of this package.
//
//	{"handler": "reverse_proxy", "transport": {"protocol": "gatewright_http", "versions": ["h2c"]}}
type HTTP struct {
	Options

	reverseproxy.HTTPTransport
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
	return nil
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
	sortInterim(r)
	noted.trace(r)
	return h.carry(r, &h.HTTPTransport)
}

// Interface guards.
var (
	_ caddy.Provisioner                   = (*HTTP)(nil)
	_ caddy.CleanerUpper                  = (*HTTP)(nil)
	_ http.RoundTripper                   = (*HTTP)(nil)
	_ reverseproxy.TLSTransport           = (*HTTP)(nil)
	_ reverseproxy.ProxyProtocolTransport = (*HTTP)(nil)
)
