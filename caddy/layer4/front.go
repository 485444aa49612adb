package layer4

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/handshake"
	"gatewright.dev/caddy/internal/crowd"
	"gatewright.dev/caddy/internal/netaddr"
	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/table"
)

// helloTime is the default of front.HelloTimeout.
const helloTime = 5 * time.Second

// front is what stands before a port: it reads how a connection begins, and so where it goes.
type front struct {
	// HelloTimeout is the time in which a client must say where it goes: its PROXY header and ClientHello. Default: 5s.
	HelloTimeout caddy.Duration `json:"hello_timeout,omitempty"`

	// ProxyProtocolFrom are networks (CIDR) whose connections begin with a PROXY protocol header. Others must not.
	ProxyProtocolFrom []netip.Prefix `json:"proxy_protocol_from,omitempty"`

	// TLS is how TLS is ended. Default: it is not ended here.
	TLS *handshake.TLS `json:"tls,omitempty"`

	app    *app.App
	logger *zap.Logger
	// http and raw end TLS before HTTP, and where it is not known what comes; nil where TLS is not ended here.
	http, raw *tls.Config
}

func (f *front) provision(ctx caddy.Context) (err error) {
	f.logger = ctx.Logger()
	if f.HelloTimeout <= 0 {
		f.HelloTimeout = caddy.Duration(helloTime)
	}
	if f.TLS != nil {
		if err := f.TLS.Provision(ctx, app.HostTable()); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		f.http, f.raw = f.TLS.HTTP(), f.TLS.Raw()
	}
	f.app, err = app.Of(ctx)
	return err
}

// choice is where a connection goes.
type choice struct {
	// row is of layer 4; nil for a connection of an HTTP server.
	row *table.Row
	// name is the host of a row, for captures.
	name string
	// secure: an HTTP server's connection begins with TLS.
	secure bool
	// demanded is what the row demands where TLS is ended.
	demanded table.Demands
}

var (
	errNoRow   = errors.New("no rule takes this name")
	errNoName  = fmt.Errorf("%w: the client named none", errNoRow)
	errTooMany = errors.New("too many connections that have not said where they go")
)

// sortOf tells what else a port has than rows of layer 4.
type sortOf int

const (
	// onlyRows: nothing.
	onlyRows sortOf = iota
	// shared: an HTTP server, for plain requests and what is behind TLS.
	shared
	// onlyHTTP: nothing but an HTTP server, whose connections all begin in the same way.
	onlyHTTP
)

// choose reads where a connection goes.
func (f *front) choose(p *preface, port sortOf) (*choice, error) {
	if port == onlyHTTP && !f.awaitsHeader(p) {
		return &choice{secure: f.http != nil}, nil
	}
	hasHTTP := port != onlyRows
	// Rows are of the port that the connection came to, whatever a PROXY header tells.
	listener := p.conn.LocalAddr()
	number := netaddr.Of(listener).Port()
	_ = p.conn.SetReadDeadline(time.Now().Add(time.Duration(f.HelloTimeout)))
	defer func() { _ = p.conn.SetReadDeadline(time.Time{}) }()
	if f.awaitsHeader(p) {
		// All of a proxy's connections come from its address: until the header they have the port's share.
		place := crowd.Silent().Enter(number, netip.Addr{}, p.interrupt)
		err := p.readProxyHeader()
		if !place.Leave() {
			return nil, errTooMany
		}
		if err != nil && !(hasHTTP && errors.Is(err, errProxy)) {
			return nil, err
		}
	}
	if port == onlyHTTP {
		return &choice{secure: f.http != nil}, nil
	}
	hosts := app.HostTable()
	if row := hosts.LookupPort("tcp", number, listener); row != nil {
		return &choice{row: row}, nil
	}
	place := crowd.Silent().Enter(number, netaddr.Of(p.client).Addr(), p.interrupt)
	name, err := p.readServerName()
	if !place.Leave() {
		return nil, errTooMany
	}
	if err != nil {
		if hasHTTP && errors.Is(err, errNotTLS) {
			return &choice{}, nil
		}
		return nil, err
	}
	row, host, demanded := hosts.LookupName(number, listener, name)
	switch {
	case row != nil && row.Layer4() != nil:
		return &choice{row: row, name: host, demanded: demanded}, nil
	case hasHTTP:
		return &choice{secure: f.http != nil}, nil
	}
	if name == "" {
		return nil, errNoName
	}
	return nil, fmt.Errorf("%w: %q", errNoRow, name)
}

// awaitsHeader tells whether a connection may begin with a PROXY header.
func (f *front) awaitsHeader(p *preface) bool {
	if p.told || len(f.ProxyProtocolFrom) == 0 {
		return false
	}
	addr := netaddr.Of(p.client).Addr()
	for _, prefix := range f.ProxyProtocolFrom {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// carry takes a connection to the target of a row, and returns when it has ended. Errors are logged here, a sample of
// them: clients could fill the disk.
func (f *front) carry(p *preface, to *choice) {
	defer p.conn.Close()
	r := f.record(p, to.row, to.name)
	defer r.end()
	client := p.rest()
	if to.row.Layer4().Terminate {
		if client = f.terminate(client, p, to, r); client == nil {
			return
		}
	}
	f.serve(client, p, to, r)
}

// record begins the record of a connection; row is nil for one that nobody takes.
func (f *front) record(p *preface, row *table.Row, host string) *record {
	return recordOf(f.app.Log(), row, netaddr.Of(p.client), netaddr.Of(p.conn.LocalAddr()).Port(), host)
}

// terminate ends TLS; nil when it came to nothing, or was all there is to it.
func (f *front) terminate(client net.Conn, p *preface, to *choice, r *record) net.Conn {
	if f.raw == nil {
		err := errors.New("TLS is not ended on this port")
		r.failed(err)
		f.refuse(p, err)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Duration(f.HelloTimeout))
	defer cancel()
	secured := tls.Server(client, f.raw)
	err := f.TLS.End(ctx, secured, to.demanded)
	if err == nil && handshake.IsChallenge(secured) {
		return nil
	}
	if err != nil {
		why := &failed{clientTLS, fmt.Errorf("TLS with the client: %w", err)}
		r.failed(why)
		countOf(to.row).fail(why)
		f.refuse(p, err)
		return nil
	}
	return secured
}

// unrecognizedName is a fatal alert (RFC 8446 section 6, RFC 6066 section 3).
var unrecognizedName = []byte{21, 3, 3, 0, 2, 2, 112}

// turnAway closes a connection that nobody takes.
func (f *front) turnAway(p *preface, err error) {
	unrouted.WithLabelValues(string(missOf(err))).Inc()
	r := f.record(p, nil, "")
	r.Protocol, r.Miss, r.Reason = "tcp", string(missOf(err)), err.Error()
	r.end()
	f.refuse(p, err)
}

// refuse closes a connection that goes nowhere.
func (f *front) refuse(p *preface, err error) {
	if errors.Is(err, errNoRow) {
		_ = p.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = p.conn.Write(unrecognizedName)
	}
	_ = p.conn.Close()
	if suppressed, ok := warnings.Allow("refused"); ok {
		f.logger.Info("connection closed before it had a rule",
			zap.String("client", f.show(p.client)), zap.Stringer("local", p.local),
			zap.String("reason", err.Error()), zap.Uint32("suppressed", suppressed))
	}
}

// warnings hold back all but one message of a rule and second.
var warnings sample.Limiter

func (f *front) serve(client net.Conn, p *preface, to *choice, r *record) {
	rule := countOf(to.row)
	s := to.row.Layer4()
	if !s.Admits(netaddr.Of(p.client).Addr()) {
		rule.refused.Add(1)
		r.refused()
		return
	}
	defer rule.enter(s.Protocol)()
	where := &dialer{to.row, to.name, rule, f.app.Addresses(), &f.app.Guard, netaddr.Of(p.client).Addr()}
	target, err := where.dial(context.Background(), p.client, p.local)
	if err != nil {
		r.failed(err)
		rule.fail(err)
		f.warn(to.row, p.client, err)
		return
	}
	defer target.release()
	r.reached(target.to)
	r.bytesOf(rule)
	_ = join(client, target.Conn, s.Idle(), &r.received, &r.sent)
}

func (f *front) warn(row *table.Row, client net.Addr, err error) {
	suppressed, ok := warnings.Allow(row.ID())
	if !ok {
		return
	}
	f.logger.Warn("connection has no target",
		zap.String("rule", row.ID()), zap.String("ingress", row.Ingress()), zap.String("client", f.show(client)),
		zap.String("reason", err.Error()), zap.Uint32("suppressed", suppressed))
}

// show is what may be told of a client's address.
func (f *front) show(client net.Addr) string {
	return f.app.Log().Client().Show(netaddr.Of(client).Addr())
}
