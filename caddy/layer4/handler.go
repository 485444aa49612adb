package layer4

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/mholt/caddy-l4/layer4"
	"go.uber.org/zap"

	"gatewright.dev/caddy/dispatcher"
	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/listeners"
	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(&Handler{}) }

// helloTime is the default of Handler.HelloTimeout.
const helloTime = 5 * time.Second

// Handler is the module `layer4.handlers.gatewright`. It finds the row of the host table that takes a connection, by
// listen port and the name that a TLS client asks for, and connects it with a target of the row.
//
// In the app `layer4` it is the only handler of a port. In the listener wrapper of an HTTPS server it has
// `"http": true` and leaves to the server what is no row of layer 4; behind the handler that ends TLS it stands again,
// to take back the limit of time for that:
//
//	[
//		{"handle": [{"handler": "gatewright", "http": true}]},
//		{"match": [{"tls": {}}], "handle": [{"handler": "tls"}, {"handler": "gatewright", "http": true}]}
//	]
type Handler struct {
	// Port is the listen port whose rows are used. Default: the local port of the connection.
	Port uint16 `json:"port,omitempty"`

	// HTTP hands connections that no row of layer 4 takes to the next handler.
	HTTP bool `json:"http,omitempty"`

	// HelloTimeout is the time in which a client must say where it goes: its PROXY header and ClientHello. Default: 5s.
	HelloTimeout caddy.Duration `json:"hello_timeout,omitempty"`

	// ProxyProtocolFrom are networks (CIDR) whose connections begin with a PROXY protocol header. Others must not.
	ProxyProtocolFrom []netip.Prefix `json:"proxy_protocol_from,omitempty"`

	// ConnectionPolicies are how TLS is ended for rows that say so, as those of an HTTP server. Default: one for all.
	// Unlike there no protocol is chosen (ALPN) but ACME's, since only the target knows which it speaks.
	ConnectionPolicies caddytls.ConnectionPolicies `json:"connection_policies,omitempty"`

	app    *dispatcher.App
	tls    *tls.Config
	logger *zap.Logger
}

// CaddyModule returns the module's information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "layer4.handlers.gatewright", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.logger = ctx.Logger()
	if h.HelloTimeout <= 0 {
		h.HelloTimeout = caddy.Duration(helloTime)
	}
	if h.ConnectionPolicies != nil {
		if err := h.ConnectionPolicies.Provision(ctx); err != nil {
			return fmt.Errorf("connection_policies: %w", err)
		}
		h.tls = withoutProtocols(h.ConnectionPolicies.TLSConfig(ctx))
	}
	h.app, err = dispatcher.AppOf(ctx)
	return err
}

// withoutProtocols has TLS configurations choose no protocol, but ACME's challenge (RFC 8737). With protocols of
// its own a server refuses clients that offer others.
func withoutProtocols(config *tls.Config) *tls.Config {
	choose := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen, err := choose(hello)
		if err != nil {
			return nil, err
		}
		chosen = chosen.Clone()
		chosen.NextProtos = nil
		if slices.Contains(hello.SupportedProtos, acmeProtocol) {
			chosen.NextProtos = []string{acmeProtocol}
		}
		return chosen, nil
	}
	return config
}

const acmeProtocol = "acme-tls/1"

// handshakeKey is the variable of a connection with the timer that closes it when TLS is not ready in time.
const handshakeKey = "gatewright.handshake"

// chosen is a row with the connection's addresses; without a row the connection is one of HTTPS.
type chosen struct {
	row           *table.Row
	name          string
	client, local net.Addr
}

// warnings hold back all but one message of a rule and second.
var warnings sample.Limiter

// Handle takes a connection to its target, and returns when it has ended. Errors are logged here, a sample of them:
// whoever calls logs each one, and clients could fill the disk.
func (h *Handler) Handle(cx *layer4.Connection, next layer4.Handler) error {
	if limit, ok := cx.GetVar(handshakeKey).(*time.Timer); ok {
		limit.Stop()
		return next.Handle(cx)
	}
	p := &preface{conn: listeners.Raw(cx.Conn), client: cx.RemoteAddr(), local: cx.LocalAddr()}
	if len(cx.MatchingBytes()) > 0 {
		// A matcher before this handler has read; the connection below lacks these bytes.
		p.conn = cx
	}
	decided, err := h.decide(p)
	switch {
	case err != nil:
		h.refuse(p, err)
		return nil
	case decided == nil:
		return next.Handle(cx.Wrap(p.rest()))
	case decided.row == nil:
		conn := p.conn
		cx.SetVar(handshakeKey, time.AfterFunc(2*time.Duration(h.HelloTimeout), func() { _ = conn.Close() }))
		return next.Handle(cx.Wrap(p.rest()))
	case decided.row.Stream().Terminate:
		if secured := h.terminate(cx.Context, p, decided); secured != nil {
			h.serve(cx.Context, secured, decided)
		}
		return nil
	}
	h.serve(cx.Context, p.rest(), decided)
	return nil
}

// terminate ends TLS; nil when it came to nothing, or was all there is to it.
func (h *Handler) terminate(ctx context.Context, p *preface, to *chosen) net.Conn {
	if h.tls == nil {
		h.refuse(p, errors.New("TLS is not ended on this port"))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Duration(h.HelloTimeout))
	defer cancel()
	secured := tls.Server(p.rest(), h.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		ruleOf(to.row.ID()).fail(fmt.Errorf("TLS with the client: %w", err))
		h.refuse(p, err)
		return nil
	}
	if secured.ConnectionState().NegotiatedProtocol == acmeProtocol {
		return nil
	}
	return secured
}

var errNoRow = errors.New("no rule takes this name")

// decide finds the row. nil without an error is a connection of plain HTTP.
func (h *Handler) decide(p *preface) (*chosen, error) {
	if err := enter(p.conn, time.Duration(h.HelloTimeout)); err != nil {
		return nil, err
	}
	defer leave(p.conn)
	listener := p.local
	if h.trusts(p.client) {
		if err := p.readProxyHeader(); err != nil {
			return nil, err
		}
	}
	port := h.Port
	if port == 0 {
		port = portOf(listener)
	}
	hosts := dispatcher.HostTable()
	if row := hosts.LookupPort("tcp", port, listener); row != nil {
		return &chosen{row: row, client: p.client, local: p.local}, nil
	}
	name, err := p.readServerName()
	if err != nil {
		if h.HTTP && errors.Is(err, errNotTLS) {
			return nil, nil
		}
		return nil, err
	}
	row, host := hosts.LookupName(port, listener, name)
	switch {
	case row != nil && row.Stream() != nil:
		return &chosen{row: row, name: host, client: p.client, local: p.local}, nil
	case h.HTTP:
		return &chosen{client: p.client, local: p.local}, nil
	}
	return nil, fmt.Errorf("%w: %q", errNoRow, name)
}

func (h *Handler) trusts(client net.Addr) bool {
	if len(h.ProxyProtocolFrom) == 0 {
		return false
	}
	addr := addrOf(client)
	for _, prefix := range h.ProxyProtocolFrom {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// unrecognizedName is a fatal alert (RFC 8446 section 6, RFC 6066 section 3).
var unrecognizedName = []byte{21, 3, 3, 0, 2, 2, 112}

func (h *Handler) refuse(p *preface, err error) {
	if errors.Is(err, errNoRow) {
		_ = p.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = p.conn.Write(unrecognizedName)
	}
	if suppressed, ok := warnings.Allow("refused"); ok {
		h.logger.Info("connection closed before it had a rule",
			zap.Stringer("client", p.client), zap.Stringer("local", p.local),
			zap.String("reason", err.Error()), zap.Uint32("suppressed", suppressed))
	}
}

func (h *Handler) serve(ctx context.Context, client net.Conn, to *chosen) {
	rule := ruleOf(to.row.ID())
	s := to.row.Stream()
	if !s.Admits(addrOf(to.client)) {
		rule.refused.Add(1)
		return
	}
	rule.total.Add(1)
	rule.active.Add(1)
	defer rule.active.Add(^uint64(0))
	where := &places{to.row, to.name, rule, h.app.Addresses(), &h.app.Guard}
	target, err := where.dial(ctx, to.client, to.local)
	if err != nil {
		rule.fail(err)
		h.warn(to.row, to.client, err)
		return
	}
	defer target.release()
	_ = join(client, target.Conn, s.Idle(), &rule.received, &rule.sent)
}

func (h *Handler) warn(row *table.Row, client net.Addr, err error) {
	suppressed, ok := warnings.Allow(row.ID())
	if !ok {
		return
	}
	h.logger.Warn("connection has no target",
		zap.String("rule", row.ID()), zap.String("ingress", row.Ingress()), zap.Stringer("client", client),
		zap.String("reason", err.Error()), zap.Uint32("suppressed", suppressed))
}

// Interface guards.
var (
	_ caddy.Provisioner  = (*Handler)(nil)
	_ layer4.NextHandler = (*Handler)(nil)
)
