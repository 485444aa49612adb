package layer4

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"

	"gatewright.dev/caddy/internal/clients"
	"gatewright.dev/caddy/internal/descriptors"
)

// maxWaiting bounds the connections that have not said enough yet to know where they go, however many descriptors the
// process may have.
const maxWaiting = 16 << 10

var errTooMany = errors.New("too many connections that have not said where they go")

// waiting are the connections of this process that have not said enough yet to know where they go.
var waiting = crowd{most: min(maxWaiting, max(descriptors.Most()/4, 64))}

// crowd bounds connections, so that neither a client nor a port has the places of all. A new connection always gets a
// place: where there is none, the oldest connection of whoever has most makes room. An honest client says within
// milliseconds where it goes, so that those who are silent take the places of each other.
type crowd struct {
	most int

	mu    sync.Mutex
	total int
	ports map[uint16]*portCrowd
}

// portCrowd are the connections of a port. Clients are counted by network and by address in it.
type portCrowd struct {
	clients group
	// unknown are of clients that a proxy is about to tell. They are many clients', and one group.
	unknown group
}

func (p *portCrowd) size() int { return p.clients.size + p.unknown.size }

// place is that of one connection.
type place struct {
	port   uint16
	group  *group
	stands *list.Element
	drop   func()
	// dropped: another connection has it.
	dropped bool
}

// enter gives a connection a place; the caller calls leave. drop is called when another connection takes the place; it
// must not block, and is never called after leave. The zero address is no client's. One more port than have connections
// now shall have its part, and a network of clients has half of a port's.
func (c *crowd) enter(port uint16, client netip.Addr, drop func()) *place {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ports == nil {
		c.ports = make(map[uint16]*portCrowd)
	}
	at := c.ports[port]
	if at == nil {
		at = new(portCrowd)
		c.ports[port] = at
	}
	share := max(c.most/(len(c.ports)+1), 1)
	network := networkKey(client)
	switch {
	case client.IsValid() && at.clients.part(network).size >= max(share/2, 1):
		c.free(at.clients.part(network).oldest())
	case at.size() >= share:
		c.free(at.oldest())
	case c.total >= c.most:
		c.free(c.fullest().oldest())
	}
	// It may have been the last connection of the port that made room.
	c.ports[port] = at
	into := &at.unknown
	if client.IsValid() {
		into = at.clients.part(network).part(clients.Network(client))
	}
	c.total++
	p := &place{port: port, group: into, drop: drop}
	p.stands = into.places.PushBack(p)
	into.grow(1)
	return p
}

// leave gives the place back, and tells whether it was still the connection's.
func (c *crowd) leave(p *place) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.dropped {
		return false
	}
	c.remove(p)
	return true
}

func (c *crowd) free(p *place) {
	c.remove(p)
	p.dropped = true
	p.drop()
}

func (c *crowd) remove(p *place) {
	p.group.places.Remove(p.stands)
	p.group.grow(-1)
	if c.total--; c.ports[p.port].size() == 0 {
		delete(c.ports, p.port)
	}
}

// fullest is the port that has most.
func (c *crowd) fullest() (most *portCrowd) {
	for _, port := range c.ports {
		if most == nil || port.size() > most.size() {
			most = port
		}
	}
	return most
}

// oldest is the connection of the port that makes room first.
func (p *portCrowd) oldest() *place {
	if p.unknown.size > p.clients.size {
		return p.unknown.oldest()
	}
	return p.clients.oldest()
}

// networkKey is what one site may have: of IPv6 a /48 (RFC 6177), in which it has thousands of what clients.Network counts.
func networkKey(addr netip.Addr) netip.Prefix {
	key := clients.Network(addr)
	if key.Addr().Is6() {
		key, _ = key.Addr().Prefix(48)
	}
	return key
}
