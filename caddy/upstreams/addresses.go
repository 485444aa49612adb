package upstreams

import (
	"context"
	"net/netip"
	"strings"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// UnhealthyAddresses are the addresses (`ip:port`) of a row that fail their health checks.
func UnhealthyAddresses(row string) map[string]struct{} { return unhealthyOf(row) }

// InstanceMode is how an instance takes connections, by what was told of it.
func InstanceMode(instance string) table.Mode {
	if all := states.modes.Load(); all != nil {
		if told := all.instances[strings.ToLower(instance)]; told != nil {
			return told.mode
		}
	}
	return table.Active
}

// ServiceMode is how the instance at an address of a service takes connections; name is the service's in the zone.
func ServiceMode(name string, addr netip.Addr) table.Mode {
	all := states.modes.Load()
	if all == nil {
		return table.Active
	}
	service, is := strings.CutSuffix(name, ".svc")
	if told := all.services[service][addr.Unmap()]; is && told != nil {
		return told.mode
	}
	return table.Active
}

// TargetAddresses returns the addresses of a row's i-th target for host, from the cache or by asking: of an instance,
// of all instances of a service, or of an address.
func TargetAddresses(ctx context.Context, r *resolver.Resolver, row *table.Row, i int, host string) ([]netip.Addr, error) {
	if special := row.Special(i); special != nil && special.Address != "" {
		if special.IP.IsValid() {
			return []netip.Addr{special.IP}, nil
		}
		return resolver.External(special.Resolvers).Addresses(ctx, special.Address)
	}
	instance, _ := row.Target(i, host)
	return r.Addresses(ctx, instance)
}
