// Package netaddr reads the addresses of connections.
package netaddr

import (
	"net"
	"net/netip"
	"strings"
)

// Of is the IP address and port of an address of TCP or UDP, whoever's type it has; the zero value for any other. An address
// of IPv4 is one, however it is written, and none has a zone, which no prefix would contain.
func Of(addr net.Addr) netip.AddrPort {
	var at netip.AddrPort
	switch addr := addr.(type) {
	case *net.TCPAddr:
		at = addr.AddrPort()
	case *net.UDPAddr:
		at = addr.AddrPort()
	case net.Addr:
		at, _ = netip.ParseAddrPort(addr.String())
	}
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// WithoutUser is a host without the name and password that a client may have written before it.
func WithoutUser(host string) string { return host[strings.LastIndexByte(host, '@')+1:] }
