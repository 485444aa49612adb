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

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// attemptTime bounds one attempt where there are other addresses to try.
const attemptTime = 3 * time.Second

var errFull = errors.New("every address has as many connections as it takes")

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

// destination is an address that a connection is of.
type destination struct {
	dialer *dialer
	dial   string // ip:port
	origin targets.Origin
}

func (d *destination) leave() { d.dialer.rule.pool.Leave(d.dial) }

func (d *destination) fail(err error) {
	d.dialer.rule.pool.Fail(d.dial, err.Error(), passiveOf(d.dialer.row.Layer4()))
}

// moved tells whether the address is none of the row's targets any more.
func (d *destination) moved() bool {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTime)
	defer cancel()
	return d.origin.Left(ctx, d.dial, d.dialer)
}

// search is for all addresses that take connections.
func (p *dialer) search() targets.Search {
	s := p.row.Layer4()
	return targets.Search{
		Row: p.row, Host: p.name, Resolver: p.resolver, Guard: p.guard, Asker: p, Health: true, Checked: s.Health,
		Passive: passiveOf(s), Pool: &p.rule.pool,
	}
}

// reach tries the row's addresses until one takes the connection: by the row's policy, those that have failed of late
// behind the others. When none does, it tries those that the DNS gives when it is asked again, since the instance may have
// moved. Where none was tried, all being full, nothing says so. The caller calls leave.
func (p *dialer) reach(ctx context.Context, limit int64, try func(dial string, others bool) error) (*destination, error) {
	s, pool := p.row.Layer4(), &p.rule.pool
	passive, key := passiveOf(s), ""
	if s.Policy == "ip_hash" {
		key = p.client.String()
	}
	search := p.search()
	var found targets.Field
	var tried []string
	var failure error
	var changed <-chan struct{}
	for asked := false; ; {
		found.Find(ctx, &search)
		search.Again = false
		switch {
		case len(found.List) > 0:
		case changed == nil && time.Until(found.Unchecked) > 0:
			// From now on: it is looked at once more before the wait.
			changed = targets.Changed()
			continue
		case time.Until(found.Unchecked) > 0 && await(ctx, changed, found.Unchecked):
			changed = nil
			continue
		case found.Failing:
			search.Passive = nil
			continue
		case len(tried) > 0 && !asked:
			asked, search.Again, search.Passive, search.Tried = true, true, passive, slices.Clone(tried)
			continue
		case found.Tried:
			return nil, failure
		default:
			return nil, withoutAddress(found.Err())
		}
		at := found.Choose(s.Policy, key, pool)
		to := &destination{p, found.List[at].Dial, found.Origin(at)}
		if !pool.Enter(to.dial, limit) {
			search.Tried, failure = append(search.Tried, to.dial), errFull
			continue
		}
		if failure = try(to.dial, len(found.List) > 1 || found.Failing); failure == nil {
			return to, nil
		}
		to.leave()
		to.fail(failure)
		if ctx.Err() != nil {
			return nil, failure
		}
		tried, search.Tried = append(tried, to.dial), append(search.Tried, to.dial)
	}
}

// await waits for a change, until a time at the longest. False: the context has ended.
func await(ctx context.Context, changed <-chan struct{}, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// connection is one to a target; release must be called when it has ended.
type connection struct {
	net.Conn
	to *destination
}

func (c *connection) release() {
	_ = c.Close()
	c.to.leave()
}

// dial connects to a target.
func (p *dialer) dial(ctx context.Context, client, local net.Addr) (*connection, error) {
	s := p.row.Layer4()
	ctx, cancel := context.WithTimeout(ctx, s.Connect())
	defer cancel()
	var conn net.Conn
	to, err := p.reach(ctx, s.MaxConnections, func(dial string, others bool) (err error) {
		conn, err = p.attempt(ctx, dial, client, local, others)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.rule.pool.Succeed(to.dial)
	return &connection{conn, to}, nil
}

func (p *dialer) attempt(ctx context.Context, dial string, client, local net.Addr, others bool) (net.Conn, error) {
	if others {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, attemptTime)
		defer cancel()
	}
	s := p.row.Layer4()
	conn, err := tcp.DialContext(ctx, "tcp", dial)
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
	secured := tls.Client(conn, tlsConfig(s))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		why := fmt.Errorf("TLS with %s: %w", dial, err)
		if ctx.Err() != nil {
			return nil, why
		}
		return nil, &failed{exchange.TLSFailed, why}
	}
	return secured, nil
}

// tcp leaves keep-alive to who copies.
var tcp = net.Dialer{KeepAlive: -1}

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
func tlsConfig(s *table.Layer4) *tls.Config {
	if prepared := s.Prepared.Load(); prepared != nil {
		return (*prepared).(*tls.Config)
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
	return config
}
