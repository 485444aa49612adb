// Package clients says what counts as one client where each has a share.
package clients

import "net/netip"

// Network is what one client has: an address of IPv4, also where it is written as one of IPv6 (::ffff:192.0.2.1), or a
// /64 of IPv6 (RFC 6177). Zones of IPv6 make no difference. The zero address has the zero prefix.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits)
	return prefix
}

// Key is the first address of a client's Network as text. Text that is no address stands for itself.
func Key(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil || addr.Is4() {
		return client
	}
	return Network(addr).Addr().String()
}
