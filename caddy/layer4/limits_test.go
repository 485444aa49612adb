package layer4

import (
	"fmt"
	"net/netip"
	"testing"
)

func ip(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// D9: neither one client nor one port, with however many clients, has the places of all.
func TestNobodyHasTheWholeCrowd(t *testing.T) {
	c := crowd{most: 1024}
	flood := func(port uint16, client func(int) netip.Addr) (entered int) {
		for i := range 4 * c.most {
			if c.enter(port, client(i)) {
				entered++
			}
		}
		return entered
	}
	one := flood(80, func(int) netip.Addr { return ip(1) })
	if one == 0 || one > c.most/4 {
		t.Errorf("one client has %d places", one)
	}
	if network := flood(81, func(i int) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i))
	}); network != one {
		t.Errorf("the addresses of one IPv6 customer have %d places", network)
	}
	if many := flood(80, ip); one+many > c.most/2 || many == 0 {
		t.Errorf("one port has %d places", one+many)
	}
	for port := range uint16(3) {
		if !c.enter(1000+port, ip(5)) {
			t.Errorf("port %d has no place", 1000+port)
		}
		c.leave(1000+port, ip(5))
	}
	if proxied := flood(90, func(int) netip.Addr { return netip.Addr{} }); proxied < c.most/8 || proxied > c.most/3 {
		t.Errorf("a proxy's connections have %d places", proxied)
	}
}

func TestTheCrowdForgets(t *testing.T) {
	c := crowd{most: 64}
	for range 10 {
		for i := range 20 {
			c.enter(uint16(i%3), ip(i))
		}
		for i := range 20 {
			c.leave(uint16(i%3), ip(i))
		}
		for port := range uint16(2) {
			c.enter(port, netip.Addr{})
			c.leave(port, netip.Addr{})
		}
	}
	if c.total != 0 || len(c.ports) != 0 || len(c.clients) != 0 {
		t.Errorf("%d, %v, %v are left", c.total, c.ports, c.clients)
	}
}
