package accesslog

import (
	"fmt"
	"net/netip"
)

// Client is how much of clients' addresses is told.
type Client string

const (
	// Full tells the address.
	Full Client = "full"
	// Masked tells the network of the address: 24 bits of IPv4, 48 of IPv6.
	Masked Client = "masked"
	// None tells nothing.
	None Client = "none"
)

// Validate refuses what is none of the three. "" is Full.
func (c Client) Validate() error {
	switch c {
	case "", Full, Masked, None:
		return nil
	}
	return fmt.Errorf("%q is neither %q, %q nor %q", c, Full, Masked, None)
}

const (
	maskedBits4 = 24
	maskedBits6 = 48
)

// Show is what is told of an address; "" for nothing.
func (c Client) Show(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid() || c == None:
		return ""
	case c != Masked:
		return addr.String()
	}
	bits := maskedBits6
	if addr.Is4() {
		bits = maskedBits4
	}
	network, _ := addr.Prefix(bits)
	return network.Addr().String()
}

// ShowText is Show of an address as text; what is no address is not told.
func (c Client) ShowText(text string) string {
	if c == None {
		return ""
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return c.Show(addr)
}
