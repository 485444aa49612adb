package layer4

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/dispatcher"
)

func init() { caddy.RegisterModule(&UDP{}) }

// UDP is the app `gatewright_udp`: sockets whose packets go to the targets of the host table.
//
//	{"listen": ["0.0.0.0:53", "[2001:db8::1]:53"]}
//
// A client's address and port make a session, which keeps its target until it is idle. Sockets and sessions stay
// when a configuration with the same address takes over.
type UDP struct {
	// Listen are `ip:port`.
	Listen []string `json:"listen,omitempty"`

	app    *dispatcher.App
	logger *zap.Logger
	used   map[string]*socket // by address
}

// CaddyModule returns the module's information.
func (*UDP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatewright_udp", New: func() caddy.Module { return new(UDP) }}
}

// Provision finds the app with the resolver.
func (u *UDP) Provision(ctx caddy.Context) (err error) {
	u.logger = ctx.Logger()
	for i, listen := range u.Listen {
		if _, err := netip.ParseAddrPort(listen); err != nil {
			return fmt.Errorf("listen[%d]: %w", i, err)
		}
	}
	u.app, err = dispatcher.AppOf(ctx)
	return err
}

var sockets = caddy.NewUsagePool()

// Start opens the sockets that are not open yet.
func (u *UDP) Start() error {
	u.used = make(map[string]*socket)
	for _, listen := range u.Listen {
		if u.used[listen] != nil {
			continue
		}
		value, _, err := sockets.LoadOrNew(listen, func() (caddy.Destructor, error) { return openSocket(listen) })
		if err != nil {
			_ = u.Stop()
			return err
		}
		u.used[listen] = value.(*socket)
		u.used[listen].own(u)
	}
	return nil
}

// Stop closes the sockets that no other configuration uses.
func (u *UDP) Stop() error {
	var failures []error
	for listen, socket := range u.used {
		socket.disown(u)
		_, err := sockets.Delete(listen)
		failures = append(failures, err)
	}
	u.used = nil
	return errors.Join(failures...)
}

// Interface guards.
var (
	_ caddy.App         = (*UDP)(nil)
	_ caddy.Provisioner = (*UDP)(nil)
)
