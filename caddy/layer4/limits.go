package layer4

import (
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

// crowd counts connections, so that neither a client nor a port has the places of all.
type crowd struct {
	most int

	mu      sync.Mutex
	total   int
	ports   map[uint16]int
	clients map[netip.Prefix]int
}

// enter counts a connection; the caller calls leave. The zero address is no client's, and has the port's share. False:
// there is no room for it. One more port than have connections now shall have its part; a client has a quarter of all.
func (c *crowd) enter(port uint16, client netip.Addr) bool {
	key := clients.Network(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ports == nil {
		c.ports, c.clients = make(map[uint16]int), make(map[netip.Prefix]int)
	}
	ports := len(c.ports) + 1
	if c.ports[port] > 0 {
		ports--
	}
	if c.total >= c.most || c.ports[port] >= c.most/(ports+1) || client.IsValid() && c.clients[key] >= max(c.most/4, 1) {
		return false
	}
	c.total++
	c.ports[port]++
	if client.IsValid() {
		c.clients[key]++
	}
	return true
}

func (c *crowd) leave(port uint16, client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.ports[port]--; c.ports[port] == 0 {
		delete(c.ports, port)
	}
	if !client.IsValid() {
		return
	}
	key := clients.Network(client)
	if c.clients[key]--; c.clients[key] == 0 {
		delete(c.clients, key)
	}
}
