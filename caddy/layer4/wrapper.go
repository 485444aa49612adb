package layer4

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http2"

	"gatewright.dev/caddy/handshake"
	"gatewright.dev/caddy/listeners"
	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(&Wrapper{}) }

// Wrapper is the module `caddy.listeners.gatewright`, which stands before the HTTP server of a port. It reads the PROXY
// protocol, takes connections to the targets of layer 4 whose name the host table gives to them, ends TLS, and leaves
// plain HTTP to the server:
//
//	{"listener_wrappers": [{"wrapper": "gatewright", "shared": true, "tls": {}}]}
//
// A server with TLS connection policies, which HTTP/3 needs, has the wrapper behind that of Caddy's own TLS, and it takes
// connections back from there. Connections of plain HTTP are handed over at reloads, as those of a port without a wrapper
// (see listeners.Follow).
type Wrapper struct {
	front

	// Shared: connections say by how they begin whether they are of layer 4, of TLS, or plain. Default: all are of TLS
	// where there is TLS, and plain elsewhere.
	Shared bool `json:"shared,omitempty"`

	// server is the one that the wrapper stands before.
	server *caddyhttp.Server
	ctx    context.Context
	// begin is done before the first listener of the server.
	begin sync.Once
}

// CaddyModule returns the module's information.
func (*Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.gatewright", New: func() caddy.Module { return new(Wrapper) }}
}

// Provision sets the wrapper up.
func (w *Wrapper) Provision(ctx caddy.Context) error {
	w.server, _ = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if w.server == nil {
		return errors.New("the wrapper is for HTTP servers")
	}
	w.server.RegisterOnStop(finish)
	w.ctx = ctx
	return w.provision(ctx)
}

// WrapListener has the wrapper read each connection before the server does.
func (w *Wrapper) WrapListener(inner net.Listener) net.Listener {
	w.begin.Do(func() {
		// Policies are for HTTP/3 alone.
		for _, policy := range w.server.TLSConnPolicies {
			handshake.CountQUIC(policy.TLSConfig)
		}
	})
	l := &wrapped{
		Listener: inner, wrapper: w, http2: enterDoor(inner.Addr().String(), w.server, w.logger),
		ready: make(chan net.Conn), ended: make(chan struct{}),
	}
	// Not when it accepts first: its configuration may run before that.
	l.http2.take(serverOf{w.app, w.server})
	l.leave = sync.OnceFunc(func() { l.http2.leave(serverOf{w.app, w.server}) })
	// An app whose start failed half-way is not stopped.
	context.AfterFunc(w.ctx, l.leave)
	return l
}

func (w *Wrapper) sort() sortOf {
	if w.Shared {
		return shared
	}
	return onlyHTTP
}

// wrapped is a listener whose connections have said where they go.
type wrapped struct {
	net.Listener
	wrapper *Wrapper
	begin   sync.Once
	ready   chan net.Conn
	// http2 are the connections of HTTP/2 that came here.
	http2 *multiplexed
	leave func()
	// ended is closed when the listener takes no more connections; why is the reason.
	ended chan struct{}
	why   error
}

func (l *wrapped) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case conn := <-l.ready:
		return conn, nil
	case <-l.ended:
		return nil, l.why
	}
}

func (l *wrapped) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			l.why = err
			l.leave()
			close(l.ended)
			return
		}
		own, isCaddys := conn.(*tls.Conn)
		if isCaddys {
			// It has not begun.
			conn = own.NetConn()
		}
		go l.receive(conn, isCaddys)
	}
}

// receive reads where a connection goes, and takes it there.
func (l *wrapped) receive(conn net.Conn, isCaddys bool) {
	defer guard(l.wrapper.logger, conn.Close)
	if listeners.Served(conn) || listeners.IsSecured(conn) {
		l.give(conn, listeners.ForServer(conn))
		return
	}
	p := newPreface(conn)
	to, err := l.wrapper.choose(p, l.wrapper.sort())
	switch {
	case err != nil:
		l.wrapper.turnAway(p, err)
	case to.row != nil:
		l.wrapper.carry(p, to)
	case to.secure:
		l.secure(p.unread(), isCaddys)
	default:
		conn := p.unread()
		l.give(conn, conn)
	}
}

// secure ends TLS here and not in the server, so that a reload ends no handshake, and connections of HTTP/1.1 can be
// handed over. What fails is left to the server, which knows how to tell a client of plain HTTP.
func (l *wrapped) secure(conn net.Conn, isCaddys bool) {
	above := tls.Server(conn, l.wrapper.http)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Duration(l.wrapper.HelloTimeout))
	defer cancel()
	if err := l.wrapper.TLS.End(ctx, above, table.Demands{}); err != nil {
		l.give(conn, above)
		return
	}
	if above.ConnectionState().NegotiatedProtocol == http2.NextProtoTLS {
		l.http2.serve(above)
		return
	}
	secured := listeners.Secure(conn, above)
	if isCaddys {
		// The server would warn of each connection of TLS that is no *tls.Conn.
		l.give(secured, above)
		return
	}
	l.give(secured, listeners.ForServer(secured))
}

// give leaves a connection to the server, in the form in which it wants it, or to a newer configuration when this one
// accepts no more.
func (l *wrapped) give(conn, forServer net.Conn) {
	select {
	case l.ready <- forServer:
	case <-l.ended:
		listeners.HandOver(conn)
	}
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*Wrapper)(nil)
	_ caddy.ListenerWrapper = (*Wrapper)(nil)
)
