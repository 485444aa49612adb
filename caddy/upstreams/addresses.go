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

// InstanceMode is how an instance takes connections, as Gatewright last said.
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

// Addresses are where a row's target is. Both lists are in one order, and are not to be changed.
type Addresses struct {
	Addrs []netip.Addr
	// Dials are the addresses as ip:port.
	Dials []string
	// Name names the target: an instance's, a service's, or that of an address; "" for an IP address.
	Name string
	// Instance tells that it is an instance, whose clients stay with its name and not with its address.
	Instance bool
}

// TargetAddresses returns the addresses of a row's i-th target for host, from the cache or by asking. With again the
// addresses known are held for wrong, and it asks and waits.
func TargetAddresses(ctx context.Context, r *resolver.Resolver, row *table.Row, i int, host string, asker resolver.Asker, again bool) (Addresses, error) {
	name, port := row.Target(i, host)
	special := row.Special(i)
	found := Addresses{Name: name, Instance: special == nil || special.Service == ""}
	if special != nil && special.Address != "" {
		if special.IP.IsValid() {
			return Addresses{Addrs: []netip.Addr{special.IP}, Dials: []string{special.Dial}}, nil
		}
		r = resolver.External(special.Resolvers)
		found.Name, found.Instance = special.Address, false
	}
	item := r.Lookup(ctx, found.Name, asker)
	if again {
		item = r.Again(ctx, found.Name, item, asker)
	}
	if err := item.Err(); err != nil {
		return found, err
	}
	found.Addrs, found.Dials = item.Addrs(), item.Dials(port)
	return found, nil
}
