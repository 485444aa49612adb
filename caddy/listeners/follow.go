package listeners

import (
	"context"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

type connKey struct{}

// Follow has the plain HTTP/1.1 connections of a server live through reloads. Its handlers must ask Take. Connections
// that TLS or a listener wrapper reads before the server does are left alone: there the state is more than bytes.
func Follow(server *caddyhttp.Server) {
	server.RegisterConnContext(follow)
	server.RegisterConnState(tell)
}

// follow is http.Server.ConnContext.
func follow(ctx context.Context, other net.Conn) context.Context {
	c, ok := other.(*conn)
	if !ok {
		return ctx
	}
	c.mu.Lock()
	c.followed = true
	c.mu.Unlock()
	return context.WithValue(ctx, connKey{}, c)
}

// tell is http.Server.ConnState.
func tell(other net.Conn, state http.ConnState) {
	c, ok := other.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateNew:
		c.arrive()
	case http.StateIdle:
		c.idle()
	case http.StateHijacked:
		c.speak()
		c.hijacked()
	case http.StateClosed:
		c.speak()
		c.end()
	}
}

// Take notes that the handling of a request begins. False: its connection has left for a newer configuration, which
// will handle it.
func Take(r *http.Request) bool {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return true
	}
	c.speak()
	if c.secured != nil && r.TLS == nil {
		r.TLS = &c.secured.state
	}
	length := r.ContentLength
	if r.ProtoMajor != 1 {
		// A frame's length is none of a connection's.
		length = -1
	}
	return c.take(length)
}
