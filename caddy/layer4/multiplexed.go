package layer4

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/http2"

	"gatewright.dev/caddy/app"
)

// Connections of HTTP/2 belong to the process: each of their requests goes to the server of the configuration that runs then
// and listens where the connection came to. So no reload ends one, nor has a client be told to go away, which some take for a
// failure of what they were asking for.

// multiplexed are the connections of one listen address.
type multiplexed struct {
	key  multiplexedKey
	http http.Server
	h2   http2.Server
	// users are the configurations that listen there. Guarded by doors.mu, as changes of servers are.
	users int
	// servers are those of the configurations, the oldest first, or the last one that did, which is over.
	servers atomic.Pointer[[]serverOf]
	over    serverOf
}

// serverOf is the server of a configuration, which is known by its app.
type serverOf struct {
	app    *app.App
	server *caddyhttp.Server
}

// multiplexedKey is what connections have in common. A server with other bounds has connections of its own.
type multiplexedKey struct {
	address string
	idle    time.Duration
	header  int
	// first is how long a connection may be without its first request; 0 for no bound.
	first time.Duration
}

// doors are where HTTP/2 comes in.
var doors = struct {
	mu    sync.Mutex
	ended sync.Cond
	byKey map[multiplexedKey]*multiplexed
	// conns counts the connections of all.
	conns int
}{byKey: make(map[multiplexedKey]*multiplexed)}

func init() { doors.ended.L = &doors.mu }

// enterDoor is a configuration's way to the connections of an address, until it leaves.
func enterDoor(address string, server *caddyhttp.Server, logger *zap.Logger) *multiplexed {
	key := multiplexedKey{address, time.Duration(server.IdleTimeout), server.MaxHeaderBytes, time.Duration(server.ReadHeaderTimeout)}
	doors.mu.Lock()
	defer doors.mu.Unlock()
	m := doors.byKey[key]
	if m == nil {
		m = &multiplexed{key: key}
		m.http.IdleTimeout, m.http.MaxHeaderBytes, m.http.Handler = key.idle, key.header, m
		m.http.ErrorLog, _ = zap.NewStdLogAt(logger.Named("http2"), zap.DebugLevel)
		// It cannot fail for a server that has no ciphers of its own.
		_ = http2.ConfigureServer(&m.http, &m.h2)
		doors.byKey[key] = m
	}
	m.users++
	return m
}

// take has requests go to the server while its configuration runs.
func (m *multiplexed) take(of serverOf) {
	doors.mu.Lock()
	defer doors.mu.Unlock()
	m.change(func(servers []serverOf) []serverOf { return append(without(servers, m.over), of) })
}

// leave ends a server's part. With the last one clients are told to go away.
func (m *multiplexed) leave(of serverOf) {
	doors.mu.Lock()
	defer doors.mu.Unlock()
	m.change(func(servers []serverOf) []serverOf {
		if len(servers) == 1 && servers[0] == of {
			m.over = of
			return servers
		}
		return without(servers, of)
	})
	if m.users--; m.users == 0 {
		delete(doors.byKey, m.key)
		go func() { _ = m.http.Shutdown(context.Background()) }()
	}
}

func (m *multiplexed) change(servers func([]serverOf) []serverOf) {
	var before []serverOf
	if known := m.servers.Load(); known != nil {
		before = *known
	}
	after := servers(slices.Clone(before))
	m.servers.Store(&after)
}

func without(servers []serverOf, of serverOf) []serverOf {
	return slices.DeleteFunc(servers, func(other serverOf) bool { return other == of })
}

// serve returns when the connection has ended.
func (m *multiplexed) serve(conn *tls.Conn) {
	doors.mu.Lock()
	doors.conns++
	doors.mu.Unlock()
	defer func() {
		doors.mu.Lock()
		defer doors.mu.Unlock()
		doors.conns--
		doors.ended.Broadcast()
	}()
	options := &http2.ServeConnOpts{BaseConfig: &m.http}
	if m.key.first > 0 {
		// As the server does with HTTP/1.1: until then only the idle timeout bounds what says nothing.
		silent := time.AfterFunc(m.key.first, func() { _ = conn.NetConn().Close() })
		defer silent.Stop()
		options.Handler = &spoken{next: m, silent: silent}
	}
	m.h2.ServeConn(conn, options)
}

// spoken ends the bound of a connection's silence with its first request.
type spoken struct {
	next   http.Handler
	has    atomic.Bool
	silent *time.Timer
}

func (s *spoken) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.has.Swap(true) {
		s.silent.Stop()
	}
	s.next.ServeHTTP(w, r)
}

// ServeHTTP has the server of the configuration that runs answer: not one that is starting, and perhaps fails. Where it has
// none, the oldest goes on with what comes until its clients have gone.
func (m *multiplexed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	servers, running := *m.servers.Load(), app.Running()
	at := max(0, slices.IndexFunc(servers, func(of serverOf) bool { return of.app == running }))
	servers[at].server.ServeHTTP(w, r)
}

// finish has a process that ends wait for what is being answered: Caddy knows only of its own connections.
func finish(ctx context.Context) error {
	if !caddy.Exiting() {
		return nil
	}
	stop := context.AfterFunc(ctx, doors.ended.Broadcast)
	defer stop()
	doors.mu.Lock()
	defer doors.mu.Unlock()
	for doors.conns > 0 && ctx.Err() == nil {
		doors.ended.Wait()
	}
	return nil
}
