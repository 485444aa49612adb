// Package crowd bounds the connections of clients who have not said yet what they want.
package crowd

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"

	"gatewright.dev/caddy/internal/clients"
	"gatewright.dev/caddy/internal/descriptors"
)

// maxSilent bounds the connections that have said nothing yet, however many descriptors the process may have.
const maxSilent = 16 << 10

// silent is read by connections of their own goroutines, also while another takes its place.
var silent atomic.Pointer[Crowd]

func init() { silent.Store(New(min(maxSilent, max(descriptors.Most()/4, 64)))) }

// Silent are the connections of this process that have not said enough yet to know where they go, or that have sent no
// request.
func Silent() *Crowd { return silent.Load() }

// Replace puts another crowd in the place of the process's, and gives the one that was there. Those who have places keep
// them there.
func Replace(by *Crowd) *Crowd { return silent.Swap(by) }

// Crowd bounds connections, so that neither a client nor a port has the places of all. A new connection always gets a
// place: where there is none, the oldest connection of whoever has most makes room. An honest client says within
// milliseconds where it goes, so that those who are silent take the places of each other.
type Crowd struct {
	most int

	mu    sync.Mutex
	total int
	ports map[uint16]*portCrowd
}

// New makes a crowd of at most so many connections.
func New(most int) *Crowd { return &Crowd{most: most, ports: make(map[uint16]*portCrowd)} }

// portCrowd are the connections of a port. Clients are counted by network and by address in it.
type portCrowd struct {
	clients group
	// unknown are of clients that a proxy is about to tell. They are many clients', and one group.
	unknown group
}

func (p *portCrowd) size() int { return p.clients.size + p.unknown.size }

// Place is that of one connection.
type Place struct {
	crowd  *Crowd
	port   uint16
	group  *group
	stands *list.Element
	drop   func()
	// dropped: another connection has it.
	dropped bool
}

// Enter gives a connection a place; the caller calls Leave. drop is called when another connection takes the place; it
// must not block, and is never called after Leave. The zero address is no client's. One more port than have connections
// now shall have its part, and a network of clients has half of a port's.
func (c *Crowd) Enter(port uint16, client netip.Addr, drop func()) *Place {
	c.mu.Lock()
	defer c.mu.Unlock()
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
	p := &Place{crowd: c, port: port, group: into, drop: drop}
	p.stands = into.places.PushBack(p)
	into.grow(1)
	return p
}

// Leave gives the place back, and tells whether it was still the connection's.
func (p *Place) Leave() bool {
	c := p.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.dropped {
		return false
	}
	c.remove(p)
	return true
}

// Taken is how many places are taken.
func (c *Crowd) Taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

func (c *Crowd) free(p *Place) {
	c.remove(p)
	p.dropped = true
	p.drop()
}

func (c *Crowd) remove(p *Place) {
	p.group.places.Remove(p.stands)
	p.group.grow(-1)
	if c.total--; c.ports[p.port].size() == 0 {
		delete(c.ports, p.port)
	}
}

// fullest is the port that has most.
func (c *Crowd) fullest() (most *portCrowd) {
	for _, port := range c.ports {
		if most == nil || port.size() > most.size() {
			most = port
		}
	}
	return most
}

// oldest is the connection of the port that makes room first.
func (p *portCrowd) oldest() *Place {
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
