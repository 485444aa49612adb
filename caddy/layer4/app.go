package layer4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/app"
)

func init() { caddy.RegisterModule(&App{}) }

// App is the app `gatewright_layer4`: ports whose connections and packets go to the targets of the host table, and to no
// HTTP server.
//
//	{"tcp": [{"listen": ["gatewright/0.0.0.0:5432"]}], "udp": ["0.0.0.0:53", "[2001:db8::1]:53"]}
//
// Connections live on when another configuration takes over. So do sockets of UDP and their sessions: a client's address
// and port make a session, which keeps its target until it is idle.
type App struct {
	// TCP are the ports of TCP.
	TCP []*Server `json:"tcp,omitempty"`

	// UDP are `ip:port`.
	UDP []string `json:"udp,omitempty"`

	app     *app.App
	logger  *zap.Logger
	opened  []net.Listener
	sockets map[string]*socket // by address
}

// Server is a TCP port.
type Server struct {
	// Listen are Caddy's network addresses.
	Listen []string `json:"listen,omitempty"`

	front
}

// CaddyModule returns the module's information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatewright_layer4", New: func() caddy.Module { return new(App) }}
}

// Provision checks the addresses and finds the app with the resolver.
func (a *App) Provision(ctx caddy.Context) (err error) {
	a.logger = ctx.Logger()
	for i, listen := range a.UDP {
		if _, err := netip.ParseAddrPort(listen); err != nil {
			return fmt.Errorf("udp[%d]: %w", i, err)
		}
	}
	for i, server := range a.TCP {
		if err := server.provision(ctx); err != nil {
			return fmt.Errorf("tcp[%d]: %w", i, err)
		}
	}
	a.app, err = app.Of(ctx)
	return err
}

// Start opens what is not open yet.
func (a *App) Start() error {
	err := a.startUDP()
	if err == nil {
		err = a.startTCP()
	}
	if err != nil {
		_ = a.Stop()
	}
	return err
}

func (a *App) startTCP() error {
	for _, server := range a.TCP {
		for _, text := range server.Listen {
			address, err := caddy.ParseNetworkAddress(text)
			if err != nil {
				return err
			}
			// Whoever copies sets keep-alive.
			opened, err := address.Listen(context.Background(), 0, net.ListenConfig{KeepAlive: -1})
			if err != nil {
				return err
			}
			listener, ok := opened.(net.Listener)
			if !ok {
				return fmt.Errorf("%s has no connections", text)
			}
			a.opened = append(a.opened, listener)
			go server.accept(listener)
		}
	}
	return nil
}

// Stop takes no more connections, and closes the sockets of UDP that no other configuration uses.
func (a *App) Stop() error {
	var failures []error
	for _, listener := range a.opened {
		failures = append(failures, listener.Close())
	}
	a.opened = nil
	return errors.Join(append(failures, a.stopUDP())...)
}

// accept serves connections until the listener is closed.
func (s *Server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.receive(conn)
	}
}

func (s *Server) receive(conn net.Conn) {
	defer guard(s.logger, conn.Close)
	p := newPreface(conn)
	to, err := s.choose(p, onlyRows)
	if err != nil {
		s.turnAway(p, err)
		return
	}
	s.carry(p, to)
}

// Interface guards.
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)
