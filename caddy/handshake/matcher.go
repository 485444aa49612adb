package handshake

import (
	"crypto/tls"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(Matcher{}) }

// Matcher is the module `tls.handshake_match.gatewright`, by which QUIC chooses among connection policies: it asks the
// host table what the rows of the name demand. QUIC has TLS 1.3 alone, and what a client shows is checked at each request.
type Matcher struct {
	// Certificate is the id of the imported certificate that the rows name; "" for rows that name none.
	Certificate string `json:"certificate,omitempty"`
	// Asks: a client certificate is asked for.
	Asks bool `json:"asks,omitempty"`

	hosts *table.Table
}

// CaddyModule returns the module's information.
func (Matcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.handshake_match.gatewright", New: func() caddy.Module { return new(Matcher) }}
}

// Provision finds the host table.
func (m *Matcher) Provision(caddy.Context) error {
	m.hosts = app.HostTable()
	return nil
}

// Match tells whether the rows of the name demand what the matcher says.
func (m *Matcher) Match(hello *tls.ClientHelloInfo) bool {
	wanted := wantedBy(m.hosts, hello)
	return wanted.certificate == m.Certificate && m.Asks == (wanted.auth != tls.NoClientCert)
}

// Interface guards.
var (
	_ caddy.Provisioner          = (*Matcher)(nil)
	_ caddytls.ConnectionMatcher = (*Matcher)(nil)
)
