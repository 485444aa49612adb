package upstreams

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// findings are why targets or addresses were left out.
type findings struct {
	err     error
	refused bool
	// pause and wake are how long the request may wait for a paused target, and for those in sleeping.
	pause, wake time.Duration
	sleeping    []string
	// back is when the first ejected address is no longer left out.
	back time.Time
	// failed tells that an address was left out for having failed in this request.
	failed bool
}

// gathering lists the addresses that may take a request, by target, and why others may not.
type gathering struct {
	findings
	field
	q         *Request
	source    *Source
	pool      *pool
	modes     *modes
	unhealthy map[string]struct{}
	now       time.Time
	// again tells that addresses that have failed in this request may be tried again.
	again bool
}

func (b *balanced) gather(q *Request, r *http.Request, again bool) gathering {
	g := gathering{
		field: field{b.candidates[:0], b.groups[:0], b.origins[:0]},
		q:     q, source: b.source, pool: b.pool, again: again,
		modes: states.modes.Load(), now: time.Now(),
	}
	if b.source.Health {
		g.unhealthy = unhealthyOf(q.Row.ID())
	}
	for i := range q.Row.Targets() {
		special := q.Row.Special(i)
		weight := 1
		if special != nil {
			weight = special.Weight
		}
		if weight == 0 || special != nil && !g.admits(special.Mode, special.Pause) {
			continue
		}
		from := len(g.list)
		origin := g.addTarget(r.Context(), i, special)
		if len(g.list) > from {
			g.groups = append(g.groups, balance.Group{From: from, To: len(g.list), Target: i, Weight: weight})
			g.origins = append(g.origins, origin)
		}
	}
	if b.woke && len(g.list) > 0 {
		for i := range g.origins {
			wakes.awake(g.origins[i].name)
		}
	}
	return g
}

// addTarget adds the addresses of a target.
func (g *gathering) addTarget(ctx context.Context, i int, special *table.Special) origin {
	name, port := g.q.Row.Target(i, g.q.Host)
	from := origin{resolver: g.q.Resolver, name: name, port: port, instance: true}
	var modes map[netip.Addr]*instanceMode
	switch {
	case special != nil && special.IP.IsValid():
		from.instance = false
		g.add(&from, special.Dial, special.IP)
		return from
	case special != nil && special.Address != "":
		from.instance, from.name, from.resolver = false, special.Address, resolver.External(special.Resolvers)
	case special != nil && special.Service != "":
		from.instance = false
		if g.modes != nil {
			modes = g.modes.services[special.Service]
		}
	case g.modes != nil:
		if told := g.modes.instances[name]; told != nil && !g.admits(told.mode, told.pause) {
			return from
		}
	}
	from.item = from.resolver.Lookup(ctx, from.name, g.q)
	if err := from.item.Err(); err != nil {
		g.err = err
		if special != nil && special.Wake > 0 && errors.Is(err, resolver.ErrNoAddress) && !errors.Is(err, resolver.ErrNoName) {
			g.wake = max(g.wake, special.Wake)
			g.sleeping = append(g.sleeping, name)
		}
		return from
	}
	dials, addrs := from.item.Dials(port), from.item.Addrs()
	g.list = slices.Grow(g.list, len(dials))
	for j, dial := range dials {
		addr := addrs[j]
		if told := modes[addr]; told == nil || g.admits(told.mode, told.pause) {
			g.add(&from, dial, addr)
		}
	}
	return from
}

// add adds an address unless something speaks against it, of which it takes note.
func (g *gathering) add(from *origin, dial string, addr netip.Addr) {
	if why := g.q.Guard.Refuses(addr, from.port); why != "" {
		g.refused = true
		g.source.warnRefused(g.q, from.name, dial, why)
		return
	}
	if _, is := g.unhealthy[dial]; is {
		g.err = errUnhealthy
		return
	}
	if g.source.Passive != nil {
		if until := g.pool.ejected(dial, g.source.Passive, g.now); !until.IsZero() {
			if g.err == nil {
				g.err = errEjected
			}
			if g.back.IsZero() || until.Before(g.back) {
				g.back = until
			}
			return
		}
	}
	if !g.again && g.q.hasFailed(dial) {
		g.failed = true
		return
	}
	g.list = append(g.list, candidate{dial, int32(len(g.groups))})
}

// admits tells whether a target of this mode takes requests, and takes note when it does not.
func (f *findings) admits(mode table.Mode, pause time.Duration) bool {
	switch mode {
	case table.Drain:
		if f.err == nil {
			f.err = errDrained
		}
		return false
	case table.Pause:
		f.err = errPaused
		f.pause = max(f.pause, pause)
		return false
	}
	return true
}
