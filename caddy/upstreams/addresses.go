package upstreams

import (
	"context"
	"net/netip"
	"strings"

	"gatewright.dev/caddy/table"
)

// Addresses returns the addresses of an instance, from the cache or by asking.
func (r *Resolver) Addresses(ctx context.Context, instance string) ([]netip.Addr, error) {
	_, k := r.lookup(ctx, instance)
	return k.addrs, k.err
}

// AddressesAgain asks for the addresses of an instance at which a connection has failed, and waits for the answer.
func (r *Resolver) AddressesAgain(ctx context.Context, instance string) ([]netip.Addr, error) {
	e, k := r.lookup(ctx, instance)
	r.again(ctx, e, instance, k)
	_, k = r.lookup(ctx, instance)
	return k.addrs, k.err
}

// SickAddresses are the addresses (`ip:port`) of a row that fail their health checks.
func SickAddresses(row string) map[string]struct{} { return sickOf(row) }

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
