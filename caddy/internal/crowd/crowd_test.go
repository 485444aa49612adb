package crowd

import (
	"fmt"
	"net/netip"
	"testing"

	"gatewright.dev/caddy/internal/clients"
)

func ip(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// entry is a connection of a crowd that says nothing.
type entry struct {
	*Place
	drops int
}

func enter(c *Crowd, port uint16, client netip.Addr) *entry {
	e := new(entry)
	e.Place = c.Enter(port, client, func() { e.drops++ })
	return e
}

// flood has many connections enter, and returns them.
func flood(c *Crowd, port uint16, client func(int) netip.Addr) (all []*entry) {
	for i := range 4 * c.most {
		all = append(all, enter(c, port, client(i)))
	}
	return all
}

func left(all []*entry) (count int) {
	for _, e := range all {
		if !e.dropped {
			count++
		}
	}
	return count
}

// ofOneSite are addresses of 256 networks /64 in one /56.
func ofOneSite(i int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1%02x::%x", i%256, i))
}

// D9: neither one client nor one port, with however many clients, has the places of all.
func TestNobodyHasTheWholeCrowd(t *testing.T) {
	c := New(1024)
	one := flood(c, 80, func(int) netip.Addr { return ip(1) })
	if left := left(one); left == 0 || left > c.most/4 {
		t.Errorf("one client has %d places", left)
	}
	site := flood(c, 81, ofOneSite)
	if left := left(site); left == 0 || left > c.most/4 {
		t.Errorf("the addresses of one IPv6 customer have %d places", left)
	}
	many := flood(c, 80, ip)
	if left := left(one) + left(many); left == 0 || left > c.most/2 {
		t.Errorf("one port has %d places", left)
	}
	proxied := flood(c, 90, func(int) netip.Addr { return netip.Addr{} })
	if left := left(proxied); left < c.most/8 || left > c.most/3 {
		t.Errorf("a proxy's connections have %d places", left)
	}
	if c.total > c.most {
		t.Errorf("%d places are taken", c.total)
	}
}

// D9: who is silent makes room, the one who has most first; and nobody else does.
func TestAFloodKeepsNobodyOut(t *testing.T) {
	floods := map[string]func(int) netip.Addr{
		"two clients":      func(i int) netip.Addr { return ip(1 + i%2) },
		"one /56":          ofOneSite,
		"two /56":          func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i%2, i%256)) },
		"a hundred":        func(i int) netip.Addr { return ip(1 + i%100) },
		"no PROXY headers": func(int) netip.Addr { return netip.Addr{} },
	}
	for name, client := range floods {
		t.Run(name, func(t *testing.T) {
			c := New(1024)
			before := flood(c, 80, client)
			other := flood(c, 443, client)
			third := []*entry{
				enter(c, 80, ip(5000)), enter(c, 81, ip(5000)), enter(c, 443, netip.MustParseAddr("2001:db8:99::1")),
			}
			after := flood(c, 80, client)
			for _, e := range third {
				if e.dropped || !e.Leave() {
					t.Errorf("the client on port %d made room", e.port)
				}
			}
			for _, e := range append(append(before, other...), after...) {
				if left := e.Leave(); left == e.dropped || e.dropped != (e.drops == 1) {
					t.Fatalf("left: %v, dropped %d times", left, e.drops)
				}
			}
			if c.total != 0 || len(c.ports) != 0 {
				t.Errorf("%d, %v are left", c.total, c.ports)
			}
		})
	}
}

// The oldest connection of the client that has most makes room; of equals the one that has had as many for longest.
func TestWhoMakesRoom(t *testing.T) {
	c := New(16)
	var all []*entry
	for _, client := range []int{1, 2, 2, 3, 3, 3, 4, 4} {
		all = append(all, enter(c, 80, ip(client)))
	}
	for i, want := range []int{3, 1, 6, 4, 0} {
		enter(c, 80, ip(100+i))
		for j, e := range all {
			if e.dropped != (e.drops == 1) || j == want && !e.dropped {
				t.Fatalf("round %d: place %d is dropped: %v", i, j, e.dropped)
			}
		}
		if got := left(all); got != len(all)-1-i {
			t.Fatalf("round %d: %d are left", i, got)
		}
	}
}

func TestTheCrowdForgets(t *testing.T) {
	c := New(64)
	for range 10 {
		var all []*entry
		for i := range 100 {
			all = append(all, enter(c, uint16(i%3), ip(i%7)), enter(c, uint16(i%2), netip.Addr{}))
		}
		for _, e := range all {
			e.Leave()
		}
		if c.total != 0 || len(c.ports) != 0 {
			t.Fatalf("%d, %v are left", c.total, c.ports)
		}
	}
	var g group
	flat := g.part(clients.Network(ip(1)))
	flat.grow(1)
	flat.grow(-1)
	if g.size != 0 || len(g.parts) != 0 || len(g.bySize) != 0 || g.biggest != 0 {
		t.Errorf("%+v is left", &g)
	}
}

func BenchmarkCrowd(b *testing.B) {
	c := New(16 << 10)
	for i := range c.most {
		c.Enter(80, ip(i), func() {})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Enter(80, ip(i), func() {}).Leave()
	}
}
