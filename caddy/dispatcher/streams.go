package dispatcher

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// HostTable is the table of this process, for handlers of layer 4.
func HostTable() *table.Table { return &hostTable }

// HostTable is the table of this process, for modules that know the app by its name.
func (*App) HostTable() *table.Table { return &hostTable }

// AppOf returns the app of the configuration that is being loaded.
func AppOf(ctx caddy.Context) (*App, error) {
	loaded, err := ctx.AppIfConfigured(appID)
	if err != nil {
		return nil, fmt.Errorf("the handler needs the app: %w", err)
	}
	return loaded.(*App), nil
}

// Addresses is what finds the addresses of instances.
func (a *App) Addresses() *resolver.Resolver { return a.resolver }
