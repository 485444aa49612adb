package layer4

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pires/go-proxyproto"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/upstreams"
)

// attemptTime bounds one attempt where there are other addresses to try.
const attemptTime = 3 * time.Second

var (
	errNoAddress = errors.New("no target has an address")
	errRefused   = errors.New("the guard refused every address")
	errDrained   = errors.New("every target is drained")
	errUnhealthy = errors.New("every address fails its health check")
	errFull      = errors.New("every address has as many connections as it takes")
)

// dialer is where connections of a rule can go.
type dialer struct {
	row      *table.Row
	name     string // of the host, for captures
	rule     *rule
	resolver *resolver.Resolver
	guard    *resolver.Guard
	client   netip.Addr
}

// Asking is on whose behalf names are asked for.
func (p *dialer) Asking() (rule, client string) { return p.row.ID(), p.client.String() }

// candidate is an address that a connection may go to.
type candidate struct {
	at     netip.AddrPort
	item   *address
	target int
	weight int
	// name stands for the target, and id for the address, when clients are to be kept.
	name, id string
	// failing ones are tried last.
	failing bool
}

// candidates are the allowed addresses of the row's targets, those of a target next to each other.
func (p *dialer) candidates(ctx context.Context, again bool) ([]candidate, error) {
	var found []candidate
	var failure error
	s := p.row.Layer4()
	unhealthy := upstreams.UnhealthyAddresses(p.row.ID())
	for i := range p.row.Targets() {
		weight, mode := 1, table.Active
		if special := p.row.Special(i); special != nil {
			weight, mode = special.Weight, special.Mode
		}
		if weight == 0 {
			continue
		}
		instance, port := p.row.Target(i, p.name)
		if mode == table.Active {
			mode = upstreams.InstanceMode(instance)
		}
		if mode != table.Active {
			failure = errDrained
			continue
		}
		addresses, err := upstreams.TargetAddresses(ctx, p.resolver, p.row, i, p.name, p, again)
		if err != nil {
			failure = err
			continue
		}
		for j, addr := range addresses.Addrs {
			c := candidate{at: netip.AddrPortFrom(addr, port), target: i, weight: weight, id: addresses.Dials[j]}
			if why := p.refusal(&c, unhealthy, instance); why != nil {
				failure = why
				continue
			}
			c.item = p.rule.address(c.at)
			c.failing = c.item.failing(s)
			if c.name = addresses.Name; c.name == "" {
				c.name = c.id
			}
			if addresses.Instance {
				c.id = c.name
			}
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		if failure == nil {
			failure = errNoAddress
		}
		return nil, failure
	}
	return found, nil
}

// refusal says why an address takes no connections; nil when it does.
func (p *dialer) refusal(c *candidate, unhealthy map[string]struct{}, instance string) error {
	if why := p.guard.Refuses(c.at.Addr(), c.at.Port()); why != "" {
		return fmt.Errorf("%w: %s %s", errRefused, c.at, why)
	}
	if upstreams.ServiceMode(instance, c.at.Addr()) != table.Active {
		return errDrained
	}
	if _, is := unhealthy[c.id]; is {
		return errUnhealthy
	}
	return nil
}

// connection is one to a target; release must be called when it has ended.
type connection struct {
	net.Conn
	item *address
}

func (c *connection) release() {
	_ = c.Close()
	c.item.active.Add(-1)
}

// dial connects to a target: to the first candidate that answers, and when none does, to the addresses that the DNS
// gives when it is asked again, since the instance may have moved. Where none was tried, all being full, nothing says so.
func (p *dialer) dial(ctx context.Context, client, local net.Addr) (*connection, error) {
	s := p.row.Layer4()
	ctx, cancel := context.WithTimeout(ctx, s.Connect())
	defer cancel()
	tried := make(map[netip.AddrPort]bool)
	var failure error
	for _, again := range []bool{false, true} {
		if again && len(tried) == 0 {
			break
		}
		found, err := p.candidates(ctx, again)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(c candidate) bool { return tried[c.at] })
		left := len(found)
		for c := range p.order(found, addrOf(client).String()) {
			left--
			if !c.item.enter(s.MaxConnections) {
				failure = errFull
				continue
			}
			tried[c.at] = true
			conn, err := p.attempt(ctx, c, client, local, left > 0)
			if err == nil {
				c.item.succeed()
				return &connection{conn, c.item}, nil
			}
			c.item.active.Add(-1)
			c.item.fail(err, s)
			failure = err
			if ctx.Err() != nil {
				return nil, failure
			}
		}
	}
	return nil, failure
}

func (p *dialer) attempt(ctx context.Context, c candidate, client, local net.Addr, others bool) (net.Conn, error) {
	if others {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, attemptTime)
		defer cancel()
	}
	s := p.row.Layer4()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.at.String())
	if err != nil {
		return nil, err
	}
	if err := greet(ctx, conn, s, client, local); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if s.TLS == nil {
		return conn, nil
	}
	config, err := tlsConfig(s)
	if err == nil {
		secured := tls.Client(conn, config)
		if err = secured.HandshakeContext(ctx); err == nil {
			return secured, nil
		}
		err = fmt.Errorf("TLS with %s: %w", c.at, err)
	}
	_ = conn.Close()
	return nil, err
}

// greet sends the PROXY protocol header, when the rule wants one.
func greet(ctx context.Context, conn net.Conn, s *table.Layer4, client, local net.Addr) error {
	if s.ProxyProtocol == "" {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetWriteDeadline(deadline)
	}
	_, err := proxyproto.HeaderProxyFromAddrs(s.ProxyProtocol[1]-'0', client, local).WriteTo(conn)
	return err
}

// tlsConfig makes the configuration of a row once.
func tlsConfig(s *table.Layer4) (*tls.Config, error) {
	if prepared := s.Prepared.Load(); prepared != nil {
		return (*prepared).(*tls.Config), nil
	}
	config := &tls.Config{ServerName: s.TLS.ServerName, InsecureSkipVerify: s.TLS.Insecure, MinVersion: tls.VersionTLS12}
	if s.TLS.CAPEM != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(s.TLS.CAPEM))
	}
	if s.TLS.CertificateFile != "" {
		// Read at each handshake: the certificate may be renewed while the row stays.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair(s.TLS.CertificateFile, s.TLS.KeyFile)
			return &certificate, err
		}
	}
	var prepared any = config
	s.Prepared.Store(&prepared)
	return config, nil
}

// moved tells whether the address is none of the row's targets any more. A failing DNS moves nothing.
func (p *dialer) moved(from *candidate) bool {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTime)
	defer cancel()
	found, err := upstreams.TargetAddresses(ctx, p.resolver, p.row, from.target, p.name, p, false)
	return err == nil && !slices.Contains(found.Addrs, from.at.Addr())
}
