package handshake

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"gatewright.dev/caddy/internal/netaddr"
	"gatewright.dev/caddy/table"
)

// TLS is how TLS is ended on a port. What the rows of a name demand is looked up in the host table, so that a host with
// options of its own needs no other configuration.
type TLS struct {
	// Certificates are the ids of imported certificates that rows may name: tags of loaded ones.
	Certificates []string `json:"certificates,omitempty"`

	hosts *table.Table
	// bases are Caddy's configurations by the imported certificate that they show; "" shows any that has the name.
	bases map[string]*tls.Config
}

// Provision has Caddy make the configurations: its certificates, tickets and challenges.
func (t *TLS) Provision(ctx caddy.Context, hosts *table.Table) error {
	t.hosts, t.bases = hosts, make(map[string]*tls.Config)
	for _, certificate := range append([]string{""}, t.Certificates...) {
		policy := new(caddytls.ConnectionPolicy)
		if certificate != "" {
			policy.CertSelection = &caddytls.CustomCertSelectionPolicy{AnyTag: []string{certificate}}
		}
		if err := (caddytls.ConnectionPolicies{policy}).Provision(ctx); err != nil {
			return fmt.Errorf("certificate %q: %w", certificate, err)
		}
		tellNoCertificate(policy.TLSConfig)
		t.bases[certificate] = policy.TLSConfig
	}
	return nil
}

// HTTP ends TLS before an HTTP server.
func (t *TLS) HTTP() *tls.Config {
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return t.choose(hello), nil
	}}
}

// acmeProtocol is that of ACME's challenge over TLS (RFC 8737).
const acmeProtocol = "acme-tls/1"

// Raw ends TLS where only the target of a connection knows what it speaks: no protocol is chosen, but ACME's challenge.
// With protocols of its own a server refuses clients that offer others.
func (t *TLS) Raw() *tls.Config {
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen := t.choose(hello).Clone()
		chosen.NextProtos = nil
		if slices.Contains(hello.SupportedProtos, acmeProtocol) {
			chosen.NextProtos = []string{acmeProtocol}
		}
		return chosen, nil
	}}
}

// IsChallenge tells whether a connection was ACME's question for a certificate, and so is over.
func IsChallenge(conn *tls.Conn) bool {
	return conn.ConnectionState().NegotiatedProtocol == acmeProtocol
}

// choose is how a connection is secured whose client said hello.
func (t *TLS) choose(hello *tls.ClientHelloInfo) *tls.Config {
	wanted := wantedBy(t.hosts, hello)
	base, known := t.bases[wanted.certificate]
	if !known {
		base = t.bases[""]
	}
	if wanted.minVersion <= base.MinVersion && wanted.auth == tls.NoClientCert {
		return base
	}
	config := base.Clone()
	config.MinVersion = max(base.MinVersion, wanted.minVersion)
	if wanted.auth != tls.NoClientCert {
		config.ClientAuth, config.ClientCAs = wanted.auth, wanted.authorities
		// A session knows what its client showed once, to whichever host.
		config.SessionTicketsDisabled = true
	}
	return config
}

// wants are what the rows that requests for a name may reach have in common, which the handshake holds. Where they differ
// it asks, and Check decides at the request.
type wants struct {
	certificate string
	minVersion  uint16
	auth        tls.ClientAuthType
	authorities *x509.CertPool
}

func wantedBy(hosts *table.Table, hello *tls.ClientHelloInfo) (w wants) {
	if slices.Equal(hello.SupportedProtos, []string{acmeProtocol}) {
		// The authority shows no certificate, and nothing is served.
		return w
	}
	var local net.Addr
	if hello.Conn != nil {
		local = hello.Conn.LocalAddr()
	}
	return wantedOf(hosts.LookupHandshake(netaddr.Of(local).Port(), local, hello.ServerName))
}

func wantedOf(reachable []table.Demands) (w wants) {
	for i, one := range reachable {
		if version := versionOf(one); i == 0 || version < w.minVersion {
			w.minVersion = version
		}
	}
	if len(reachable) > 0 {
		w.certificate = reachable[0].Certificate()
	}
	w.auth, w.authorities = clientAuth(reachable)
	return w
}

func clientAuth(reachable []table.Demands) (tls.ClientAuthType, *x509.CertPool) {
	var asking []table.Demands
	for _, one := range reachable {
		if one.ClientMode() != "" && !slices.ContainsFunc(asking, func(other table.Demands) bool { return sameAuth(one, other) }) {
			asking = append(asking, one)
		}
	}
	switch {
	case len(asking) == 0:
		return tls.NoClientCert, nil
	case len(asking) > 1:
		// Clients of each authority are to send theirs: none is named.
		return tls.RequestClientCert, nil
	}
	only := asking[0]
	everywhere := !slices.ContainsFunc(reachable, func(other table.Demands) bool { return !sameAuth(only, other) })
	if !everywhere || only.ClientMode() == "request" {
		return tls.RequestClientCert, authorities(only)
	}
	if only.ClientMode() == "require" {
		return tls.RequireAndVerifyClientCert, authorities(only)
	}
	return tls.VerifyClientCertIfGiven, authorities(only)
}

func sameAuth(one, other table.Demands) bool {
	return one.ClientMode() == other.ClientMode() && one.ClientCAs() == other.ClientCAs()
}
