package listeners

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
)

// HavePort tells whether one of Caddy's network addresses has a port.
func HavePort(listen []string, port uint16) bool {
	return slices.ContainsFunc(listen, func(text string) bool {
		address, err := caddy.ParseNetworkAddress(text)
		return err == nil && uint(port) >= address.StartPort && uint(port) <= address.EndPort
	})
}
