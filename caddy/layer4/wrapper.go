package layer4

import (
	"crypto/tls"
	"net"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/listeners"
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
}

// CaddyModule returns the module's information.
func (*Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.gatewright", New: func() caddy.Module { return new(Wrapper) }}
}

// Provision sets the wrapper up.
func (w *Wrapper) Provision(ctx caddy.Context) error { return w.provision(ctx) }

// WrapListener has the wrapper read each connection before the server does.
func (w *Wrapper) WrapListener(inner net.Listener) net.Listener {
	return &wrapped{Listener: inner, wrapper: w, ready: make(chan net.Conn), ended: make(chan struct{})}
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
			close(l.ended)
			return
		}
		if secured, ok := conn.(*tls.Conn); ok {
			// Caddy's own, which has not begun.
			conn = secured.NetConn()
		}
		go l.receive(conn)
	}
}

// receive reads where a connection goes, and takes it there.
func (l *wrapped) receive(conn net.Conn) {
	defer l.wrapper.guard(conn)
	if listeners.Served(conn) {
		l.give(conn, false)
		return
	}
	p := newPreface(conn)
	to, err := l.wrapper.choose(p, l.wrapper.sort())
	switch {
	case err != nil:
		l.wrapper.refuse(p, err)
	case to.row != nil:
		l.wrapper.carry(p, to)
	default:
		l.give(p.unread(), to.secure)
	}
}

// give leaves a connection to the server, or to a newer configuration when this one accepts no more.
func (l *wrapped) give(conn net.Conn, secure bool) {
	served := conn
	if secure {
		served = tls.Server(conn, l.wrapper.http)
	}
	select {
	case l.ready <- served:
	case <-l.ended:
		listeners.HandOver(conn)
	}
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*Wrapper)(nil)
	_ caddy.ListenerWrapper = (*Wrapper)(nil)
)
