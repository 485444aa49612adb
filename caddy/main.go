// Caddy with the modules that Gatewright's configurations need.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-dns/cloudflare"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/mholt/caddy-ratelimit"

	_ "gatewright.dev/caddy/app"
	_ "gatewright.dev/caddy/certificates"
	_ "gatewright.dev/caddy/dispatcher"
	_ "gatewright.dev/caddy/etcdstorage"
	_ "gatewright.dev/caddy/explain"
	_ "gatewright.dev/caddy/handshake"
	"gatewright.dev/caddy/internal/stderr"
	_ "gatewright.dev/caddy/layer4"
	_ "gatewright.dev/caddy/listeners"
	_ "gatewright.dev/caddy/policies"
	_ "gatewright.dev/caddy/tickets"
	_ "gatewright.dev/caddy/transport"
	_ "gatewright.dev/caddy/upstreams"
)

func main() {
	stderr.Bound()
	caddycmd.Main()
}
