package table

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"unique"
)

// TLSOptions are what a row demands of TLS beyond the default. They hold for the row's host on its port, with every path,
// and for hosts under a wildcard that have none of their own.
type TLSOptions struct {
	// Certificate is the id of the imported certificate that is shown.
	Certificate string `json:"certificate,omitempty"`
	// MinVersion is the lowest version of TLS: "1.2" (default) or "1.3".
	MinVersion string `json:"min_version,omitempty"`
	// ClientAuth is what clients must show; absent means nothing.
	ClientAuth *ClientAuth `json:"client_auth,omitempty"`
}

// ClientAuth is what is demanded of a client's certificate.
type ClientAuth struct {
	// Mode is "require" (a certificate of the authorities), "verify_if_given" (of them, or none) or "request" (any, or
	// none).
	Mode string `json:"mode"`
	// CAPEM are the authorities; "request" needs none.
	CAPEM string `json:"ca_pem,omitempty"`
}

// Demands are TLS options that can be compared; equal ones are one in memory. The zero value demands nothing.
type Demands struct{ handle unique.Handle[demands] }

type demands struct {
	certificate string
	minVersion  string
	mode        string
	caPEM       string
}

// None tells whether nothing is demanded.
func (d Demands) None() bool { return d == Demands{} }

func (d Demands) value() demands {
	if d.None() {
		return demands{}
	}
	return d.handle.Value()
}

// Certificate is the id of the imported certificate to show; "" for any that has the name.
func (d Demands) Certificate() string { return d.value().certificate }

// MinVersion is "1.2", "1.3", or "" for the default.
func (d Demands) MinVersion() string { return d.value().minVersion }

// ClientMode is how a client's certificate is asked for; "" for not at all.
func (d Demands) ClientMode() string { return d.value().mode }

// ClientCAs are the authorities of client certificates, PEM.
func (d Demands) ClientCAs() string { return d.value().caPEM }

func compileDemands(from *RowJSON, problem func(string, ...any)) Demands {
	options := from.TLSOptions
	if options == nil {
		return Demands{}
	}
	if !from.TLS && (from.Layer4 == nil || !from.Layer4.Terminate) {
		problem("tls_options: TLS is not ended for this row")
	}
	switch options.MinVersion {
	case "", "1.2", "1.3":
	default:
		problem("tls_options.min_version %q is not known", options.MinVersion)
	}
	compiled := demands{certificate: options.Certificate, minVersion: options.MinVersion}
	if auth := options.ClientAuth; auth != nil {
		compiled.mode, compiled.caPEM = auth.Mode, auth.CAPEM
		switch auth.Mode {
		case "require", "verify_if_given":
			if !x509.NewCertPool().AppendCertsFromPEM([]byte(auth.CAPEM)) {
				problem("tls_options.client_auth.ca_pem has no certificate")
			}
		case "request":
		default:
			problem("tls_options.client_auth.mode %q is not known", auth.Mode)
		}
	}
	if compiled == (demands{}) {
		return Demands{}
	}
	return Demands{unique.Make(compiled)}
}

// demands are those of the host; its rows that have any have the same.
func (r rules) demands() Demands {
	if r.only != nil {
		return r.only.demands
	}
	if r.many != nil {
		return r.many.demands
	}
	return Demands{}
}

// endsTLS tells whether TLS connections of the row are ended here.
func (r *Row) endsTLS() bool {
	if r.layer4 != nil {
		return r.layer4.Terminate
	}
	return r.tls
}

// byName are the rows that take TLS connections by name: the first of those that name the same listen addresses. What
// follows one that names none is never asked for.
func byName(rows []*Row) (found []*Row) {
	for _, row := range rows {
		if !row.endsTLS() && row.layer4 == nil {
			continue
		}
		listen := row.cond.listen
		if !slices.ContainsFunc(found, func(other *Row) bool { return slices.Equal(other.cond.listen, listen) }) {
			found = append(found, row)
		}
		if len(listen) == 0 {
			break
		}
	}
	return found
}

// named returns the row that takes TLS connections which came to a local address.
func (r rules) named(local net.Addr) *Row {
	if r.only != nil {
		if (r.only.endsTLS() || r.only.layer4 != nil) && r.only.cond.listens(local) {
			return r.only
		}
		return nil
	}
	if r.many != nil {
		for _, row := range r.many.named {
			if row.cond.listens(local) {
				return row
			}
		}
	}
	return nil
}

// total tells whether no request over TLS falls through to a host of lower precedence.
func (r rules) total(local net.Addr) bool {
	for _, row := range r.rows() {
		if row.endsTLS() && row.cond.listens(local) && row.cond.onlyListens() {
			return true
		}
	}
	return false
}

// demandsOf are what a row demands of a connection for host: those of the row's own host, else of the next in the order
// of precedence that has any.
func (h *hosts) demandsOf(row *Row, host string) (found Demands) {
	if h.demanding == 0 || row == nil || !row.endsTLS() {
		return Demands{}
	}
	if own := h.get(row.host).demands(); !own.None() {
		return own
	}
	reached := false
	h.each(host, func(r rules) bool {
		reached = reached || r.host() == row.host
		if reached {
			found = r.demands()
		}
		return found.None()
	})
	return found
}

// LookupHandshake returns what the rows demand which requests for a name may reach over one connection: of one that no
// path has to be known for, a single answer. The first belongs to the row of the highest precedence.
func (t *Table) LookupHandshake(port uint16, local net.Addr, name string) (reachable []Demands) {
	name = canonicalName(name)
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := t.ports[port]
	if hosts == nil || hosts.demanding == 0 {
		return nil
	}
	hosts.each(name, func(r rules) bool {
		row := r.named(local)
		if row == nil || !row.endsTLS() {
			return true
		}
		if one := hosts.demandsOf(row, name); !slices.Contains(reachable, one) {
			reachable = append(reachable, one)
		}
		return !r.total(local)
	})
	return reachable
}

func canonicalName(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }
