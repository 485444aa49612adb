package layer4

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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

// places is where connections of a rule can go.
type places struct {
	row      *table.Row
	name     string // of the host, for captures
	rule     *rule
	resolver *resolver.Resolver
	guard    *resolver.Guard
}

// candidate is an address that a connection may go to.
type candidate struct {
	at     netip.AddrPort
	known  *address
	target int
	weight int
	// failing ones are tried last.
	failing bool
}

// candidates are the allowed addresses of the row's targets in the order in which they are to be tried.
func (p *places) candidates(ctx context.Context, client netip.Addr, again bool) ([]candidate, error) {
	var found []candidate
	var failure error
	s := p.row.Stream()
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
		addrs, err := p.addresses(ctx, i, instance, again)
		if err != nil {
			failure = err
			continue
		}
		for _, addr := range addrs {
			at := netip.AddrPortFrom(addr, port)
			if why := p.guard.Refuses(addr, port); why != "" {
				failure = fmt.Errorf("%w: %s %s", errRefused, at, why)
				continue
			}
			if upstreams.ServiceMode(instance, addr) != table.Active {
				failure = errDrained
				continue
			}
			if len(unhealthy) > 0 {
				if _, is := unhealthy[at.String()]; is {
					failure = errUnhealthy
					continue
				}
			}
			known := p.rule.address(at)
			found = append(found, candidate{at, known, i, weight, known.failing(s)})
		}
	}
	if len(found) == 0 {
		if failure == nil {
			failure = errNoAddress
		}
		return nil, failure
	}
	p.order(found, client)
	return found, nil
}

func (p *places) addresses(ctx context.Context, target int, instance string, again bool) ([]netip.Addr, error) {
	if again && instance != "" {
		return p.resolver.AddressesAgain(ctx, instance)
	}
	return upstreams.TargetAddresses(ctx, p.resolver, p.row, target, p.name)
}

// order puts the candidates in the order of the row's policy, and those that failed lately behind the others.
func (p *places) order(found []candidate, client netip.Addr) {
	if len(found) > 1 {
		switch p.row.Stream().Policy {
		case "first":
		case "random":
			rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		case "least_conn":
			rotate(found, p.rule.turn.Add(1)-1)
			slices.SortStableFunc(found, func(a, b candidate) int { return int(a.known.active.Load() - b.known.active.Load()) })
		case "ip_hash":
			byHash(found, client)
		default:
			inTurn(found, p.rule.turn.Add(1)-1)
		}
		slices.SortStableFunc(found, func(a, b candidate) int {
			switch {
			case a.failing == b.failing:
				return 0
			case b.failing:
				return -1
			}
			return 1
		})
	}
}

// inTurn puts the target whose turn it is first, as often as its weight says, and goes round its addresses.
func inTurn(found []candidate, turn uint64) {
	var total, at uint64
	plain := true
	for i, c := range found {
		if i == 0 || found[i-1].target != c.target {
			total += uint64(c.weight)
			plain = plain && c.weight == 1
		} else {
			plain = false
		}
	}
	if plain {
		rotate(found, turn)
		return
	}
	round, slot := turn/total, turn%total
	for start := 0; start < len(found); {
		end := start + 1
		for end < len(found) && found[end].target == found[start].target {
			end++
		}
		weight := uint64(found[start].weight)
		if slot < at+weight {
			rotate(found[start:end], round*weight+slot-at)
			rotate(found, uint64(start))
			return
		}
		at += weight
		start = end
	}
}

func rotate(found []candidate, turn uint64) {
	by := int(turn % uint64(len(found)))
	slices.Reverse(found[:by])
	slices.Reverse(found[by:])
	slices.Reverse(found)
}

// byHash orders by highest random weight, so that a client keeps its address when others come and go.
func byHash(found []candidate, client netip.Addr) {
	weight := func(c candidate) uint64 {
		h := fnv.New64a()
		_, _ = h.Write(client.AsSlice())
		_, _ = h.Write(c.at.Addr().AsSlice())
		_, _ = h.Write([]byte{byte(c.at.Port() >> 8), byte(c.at.Port())})
		return h.Sum64()
	}
	slices.SortFunc(found, func(a, b candidate) int {
		switch wa, wb := weight(a), weight(b); {
		case wa > wb:
			return -1
		case wa < wb:
			return 1
		}
		return a.at.Compare(b.at)
	})
}

// connection is one to a target; release must be called when it has ended.
type connection struct {
	net.Conn
	known *address
}

func (c *connection) release() {
	_ = c.Close()
	c.known.active.Add(-1)
}

// dial connects to a target: to the first candidate that answers, and when none does, to the addresses that the DNS
// gives when it is asked anew, since the instance may have moved.
func (p *places) dial(ctx context.Context, client, local net.Addr) (*connection, error) {
	s := p.row.Stream()
	ctx, cancel := context.WithTimeout(ctx, s.Connect())
	defer cancel()
	tried := make(map[netip.AddrPort]bool)
	var failure error
	for _, again := range []bool{false, true} {
		found, err := p.candidates(ctx, addrOf(client), again)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(c candidate) bool { return tried[c.at] })
		for i, c := range found {
			if !c.known.enter(s.MaxConnections) {
				failure = errFull
				continue
			}
			tried[c.at] = true
			conn, err := p.attempt(ctx, c, client, local, i+1 < len(found))
			if err == nil {
				c.known.succeed()
				return &connection{conn, c.known}, nil
			}
			c.known.active.Add(-1)
			c.known.fail(err, s)
			failure = err
			if ctx.Err() != nil {
				return nil, failure
			}
		}
	}
	return nil, failure
}

func (p *places) attempt(ctx context.Context, c candidate, client, local net.Addr, others bool) (net.Conn, error) {
	if others {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, attemptTime)
		defer cancel()
	}
	s := p.row.Stream()
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
func greet(ctx context.Context, conn net.Conn, s *table.Stream, client, local net.Addr) error {
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
func tlsConfig(s *table.Stream) (*tls.Config, error) {
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
func (p *places) moved(from *candidate) bool {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTime)
	defer cancel()
	instance, _ := p.row.Target(from.target, p.name)
	addrs, err := p.addresses(ctx, from.target, instance, false)
	return err == nil && !slices.Contains(addrs, from.at.Addr())
}
