package transport

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// TestHTTP2 holds which instances may be sent gRPC, for which the client has no limit of silence.
func TestHTTP2(t *testing.T) {
	tls := func() *reverseproxy.TLSConfig { return new(reverseproxy.TLSConfig) }
	for _, c := range []struct {
		name string
		with reverseproxy.HTTPTransport
		want bool
	}{
		{"plain", reverseproxy.HTTPTransport{}, false},
		{"PROXY protocol", reverseproxy.HTTPTransport{ProxyProtocol: "v1"}, false},
		{"h2c", reverseproxy.HTTPTransport{Versions: []string{"h2c"}}, true},
		{"TLS", reverseproxy.HTTPTransport{TLS: tls()}, true},
		{"TLS with HTTP/1.1 alone", reverseproxy.HTTPTransport{TLS: tls(), Versions: []string{"1.1"}}, false},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		defer cancel()
		h := &HTTP{HTTPTransport: c.with}
		if err := h.Provision(ctx); err != nil {
			t.Fatal(c.name, err)
		}
		if h.http2 != c.want {
			t.Errorf("E9 %s: carries HTTP/2: %v, want %v", c.name, h.http2, c.want)
		}
	}
}
