package table

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/internal/netaddr"
)

// Hosts of rows that take every connection of their port. They have a colon, so that no name of a client is one.
const (
	tcpHost = "tcp:"
	udpHost = "udp:"
)

// Layer4 makes a row one of layer 4: it takes connections instead of requests.
type Layer4 struct {
	// Protocol is "tls" for connections by the name that the client asks for (SNI), "tcp" or "udp" for every
	// connection of the port.
	Protocol string `json:"protocol"`
	// Terminate ends TLS here; only with "tls".
	Terminate bool `json:"terminate,omitempty"`
	// Policy is how one of several addresses is chosen: "round_robin" (default), "least_conn", "random", "ip_hash", "first".
	Policy string `json:"policy,omitempty"`
	// ConnectTimeoutMS is the time for a connection to the target, all attempts together. Default: 30 s.
	ConnectTimeoutMS int64 `json:"connect_timeout_ms,omitempty"`
	// IdleTimeoutMS ends a connection on which nothing was sent either way. Default: an hour, of UDP 30 s.
	IdleTimeoutMS int64 `json:"idle_timeout_ms,omitempty"`
	// MaxConnections is how many connections one address of a target takes. Default: no limit, of UDP 10,000.
	MaxConnections int64 `json:"max_connections,omitempty"`
	// Health tells that its addresses are checked: before anything was told of them they are unknown, and take nothing.
	Health bool `json:"health,omitempty"`
	// MaxFails failed connections within FailDurationMS have an address tried after the others. Default: 1 in 30 s, as for HTTP.
	MaxFails       int64 `json:"max_fails,omitempty"`
	FailDurationMS int64 `json:"fail_duration_ms,omitempty"`
	// ProxyProtocol begins each connection to the target with the client's address: "v1" or "v2".
	ProxyProtocol string `json:"proxy_protocol,omitempty"`
	// Allow and Deny are networks of clients; Deny is asked first, and absent Allow means all.
	Allow []netip.Prefix `json:"allow,omitempty"`
	Deny  []netip.Prefix `json:"deny,omitempty"`
	// AccessLog is which connections are logged: "off", "errors" or "all". Default: what the app says.
	AccessLog string `json:"access_log,omitempty"`
	// TLS speaks TLS with the target.
	TLS *Layer4TLS `json:"tls,omitempty"`

	// Prepared is what the user of the row made of it, such as a TLS configuration.
	Prepared atomic.Pointer[any] `json:"-"`
}

// Layer4TLS is how TLS is spoken with a target.
type Layer4TLS struct {
	// ServerName is sent, and must be on the target's certificate.
	ServerName string `json:"server_name,omitempty"`
	// CAPEM are the authorities that it is verified by. Default: the system's.
	CAPEM string `json:"ca_pem,omitempty"`
	// Insecure takes any certificate.
	Insecure bool `json:"insecure_skip_verify,omitempty"`
	// CertificateFile and KeyFile have the PEM certificate that is shown to the target.
	CertificateFile string `json:"certificate_file,omitempty"`
	KeyFile         string `json:"key_file,omitempty"`
}

// Layer4 is how the row takes connections; nil for a row of HTTP.
func (r *Row) Layer4() *Layer4 { return r.layer4 }

// Idle is the idle timeout.
func (s *Layer4) Idle() time.Duration {
	switch {
	case s.IdleTimeoutMS > 0:
		return time.Duration(s.IdleTimeoutMS) * time.Millisecond
	case s.Protocol == "udp":
		return 30 * time.Second
	}
	return time.Hour
}

// Connect is the time for a connection to the target.
func (s *Layer4) Connect() time.Duration {
	if s.ConnectTimeoutMS > 0 {
		return time.Duration(s.ConnectTimeoutMS) * time.Millisecond
	}
	return 30 * time.Second
}

// Admits tells whether a client may connect.
func (s *Layer4) Admits(client netip.Addr) bool {
	_, admitted := s.Decide(client)
	return admitted
}

// Decide tells whether a client may connect, and the network by which that was decided; none where it is in none.
func (s *Layer4) Decide(client netip.Addr) (network netip.Prefix, admitted bool) {
	// No prefix contains an address with a zone.
	client = client.Unmap().WithZone("")
	for _, prefix := range s.Deny {
		if prefix.Contains(client) {
			return prefix, false
		}
	}
	for _, prefix := range s.Allow {
		if prefix.Contains(client) {
			return prefix, true
		}
	}
	return netip.Prefix{}, len(s.Allow) == 0
}

func compileLayer4(row *RowJSON, problem func(string, ...any)) *Layer4 {
	s := row.Layer4
	if s == nil {
		return nil
	}
	// Rows are decoded into memory that is used again.
	copied := &Layer4{
		Protocol: s.Protocol, Terminate: s.Terminate, Policy: s.Policy, ConnectTimeoutMS: s.ConnectTimeoutMS,
		IdleTimeoutMS: s.IdleTimeoutMS, MaxConnections: s.MaxConnections, Health: s.Health, MaxFails: s.MaxFails,
		FailDurationMS: s.FailDurationMS, ProxyProtocol: s.ProxyProtocol, Allow: s.Allow, Deny: s.Deny, TLS: s.TLS,
		AccessLog: s.AccessLog,
	}
	switch s.Protocol {
	case "tls", "tcp", "udp":
	default:
		problem(`layer4.protocol %q is not "tls", "tcp" or "udp"`, s.Protocol)
	}
	switch s.Policy {
	case "", "round_robin", "least_conn", "random", "ip_hash", "first":
	default:
		problem("layer4.policy %q is not known", s.Policy)
	}
	switch s.ProxyProtocol {
	case "", "v1", "v2":
	default:
		problem(`layer4.proxy_protocol %q is neither "v1" nor "v2"`, s.ProxyProtocol)
	}
	switch s.AccessLog {
	case "", "off", "errors", "all":
	default:
		problem("layer4.access_log %q is not known", s.AccessLog)
	}
	if s.Protocol == "udp" && (s.ProxyProtocol != "" || s.TLS != nil) {
		problem("layer4: udp has neither proxy_protocol nor tls")
	}
	if s.Terminate && s.Protocol != "tls" {
		problem("layer4.terminate needs the protocol tls")
	}
	if s.TLS != nil && s.TLS.CAPEM != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.TLS.CAPEM)) {
		problem("layer4.tls.ca_pem has no certificate")
	}
	if s.Protocol != "tls" && row.Host != "" {
		problem("layer4: a row of %s has no host", s.Protocol)
	}
	if row.Path != nil || row.Methods != nil || row.Headers != nil || row.TLS || row.Auth != nil || row.Redirect != nil || row.Policy != "" {
		problem("layer4: a row of layer 4 has no path, methods, headers, tls, auth, redirect and policy")
	}
	if len(row.Targets) == 0 {
		problem("layer4: a row of layer 4 needs targets")
	}
	return copied
}

// parseHost is parsePattern for all kinds of rows.
func parseHost(row *RowJSON) (string, map[string]int, error) {
	if row.Layer4 != nil {
		switch row.Layer4.Protocol {
		case "tcp":
			return tcpHost, nil, nil
		case "udp":
			return udpHost, nil, nil
		}
	}
	return parsePattern(row.Host)
}

func compileListen(texts []string, problem func(string, ...any)) []netip.Addr {
	var addrs []netip.Addr
	for i, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			problem("listen[%d] %q is not an IP address", i, text)
			continue
		}
		addrs = append(addrs, addr.Unmap())
	}
	return addrs
}

// onlyListens tells whether nothing is demanded beyond the local address.
func (c *conditions) onlyListens() bool {
	return c.path == "" && len(c.methods) == 0 && len(c.headers) == 0
}

// listens tells whether a row takes what came to a local address.
func (c *conditions) listens(local net.Addr) bool {
	return len(c.listen) == 0 || slices.Contains(c.listen, netaddr.Of(local).Addr())
}

// sharesListen tells whether two rows can take what comes to one local address.
func sharesListen(a, b *Row) bool {
	return len(a.cond.listen) == 0 || len(b.cond.listen) == 0 || slices.ContainsFunc(a.cond.listen, func(addr netip.Addr) bool {
		return slices.Contains(b.cond.listen, addr)
	})
}

// LookupPort returns the row that takes every connection ("tcp") or packet ("udp") of a port and local address.
func (t *Table) LookupPort(network string, port uint16, local net.Addr) *Row {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if hosts := t.ports[port]; hosts != nil {
		return hosts.literal[network+":"].named(local)
	}
	return nil
}

// LookupName returns the row that takes TLS connections for a name, the name that Row.Target expands captures from, and
// what the row demands of the connection. The row is one of HTTP when the name is served over HTTPS: precedence of hosts
// spans both kinds. A client that names nothing ("") gets what takes every name.
func (t *Table) LookupName(port uint16, local net.Addr, name string) (*Row, string, Demands) {
	name = canonicalName(name)
	for label := range strings.SplitSeq(name, ".") {
		if name != "" && !literalLabel(label) {
			return nil, name, Demands{}
		}
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := t.ports[port]
	if hosts == nil {
		return nil, name, Demands{}
	}
	var row *Row
	hosts.each(name, func(r rules) bool {
		row = r.named(local)
		return row == nil
	})
	return row, name, hosts.demandsOf(row, name)
}

// Has tells whether there is a row of this id.
func (t *Table) Has(id string) bool {
	t.write.Lock()
	defer t.write.Unlock()
	return t.byID[id] != nil
}
