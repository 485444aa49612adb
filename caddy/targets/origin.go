// Package targets finds the addresses of targets, and knows which of them take no requests or connections: those that the
// guard refuses, that are drained or paused, that fail their checks or have failed of late. Requests, connections of layer 4
// and forward auth share it.
package targets

import (
	"context"
	"net/netip"
	"slices"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// Origin is where the addresses of a target come from.
type Origin struct {
	// name names the target: an instance's, a service's or that of an address; "" for an IP address.
	name string
	port uint16
	// resolver is nil for an IP address.
	resolver *resolver.Resolver
	special  *table.Special
	item     *resolver.Item
	// instance tells that the target is one, whose clients stay with its name and not with its address.
	instance bool
	// checked tells that its addresses can be checked: it is known without a request.
	checked bool
}

// Name is that of the target; "" of an IP address.
func (o *Origin) Name() string { return o.name }

// OriginOf is where a resolver finds a name.
func OriginOf(r *resolver.Resolver, name string, port uint16) Origin {
	return Origin{name: name, port: port, resolver: r}
}

// Literal is where an IP address is.
func Literal(at netip.AddrPort) Origin {
	return Origin{port: at.Port(), special: &table.Special{Addrs: []netip.Addr{at.Addr()}, Dials: []string{at.String()}}}
}

// origin is that of the i-th target.
func (s *Search) origin(i int) Origin {
	name, port := s.Row.Target(i, s.Host)
	from := Origin{name: name, port: port, resolver: s.Resolver, special: s.Row.Special(i), instance: true, checked: !s.Row.Captures(i)}
	switch special := from.special; {
	case special == nil:
	case special.Addrs != nil:
		from.resolver, from.instance = nil, false
	case special.Address != "":
		from.name, from.resolver, from.instance = special.Address, resolver.External(special.Resolvers), false
	case special.Service != "":
		from.instance = false
	}
	return from
}

// Lookup returns the addresses, and the same as ip:port. Neither list is to be changed. With again those known are held
// for wrong, and it asks and waits.
func (o *Origin) Lookup(ctx context.Context, asker resolver.Asker, again bool) (addrs []netip.Addr, dials []string, err error) {
	if o.resolver == nil {
		return o.special.Addrs, o.special.Dials, nil
	}
	o.item = o.resolver.Lookup(ctx, o.name, asker)
	if again {
		o.item = o.resolver.Again(ctx, o.name, o.item, asker)
	}
	if err := o.item.Err(); err != nil {
		return nil, nil, err
	}
	return o.item.Addrs(), o.item.Dials(o.port), nil
}

// Again asks for the addresses, of which one has failed, and waits for the answer.
func (o *Origin) Again(ctx context.Context, asker resolver.Asker) {
	if o.item != nil {
		o.resolver.Again(ctx, o.name, o.item, asker)
	}
}

// Left tells whether an address (ip:port) is none of the target's any more. A failing DNS moves nothing.
func (o *Origin) Left(ctx context.Context, dial string, asker resolver.Asker) bool {
	_, dials, err := o.Lookup(ctx, asker, false)
	return err == nil && !slices.Contains(dials, dial)
}
