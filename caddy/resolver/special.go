package resolver

import "net/netip"

// special says why nothing is ever sent to an address, and is "" for others: what the special-purpose address
// registries of IANA call no destination (documentation addresses apart, which labs use), several receivers, the link,
// and the metadata services of clouds, which give credentials to whoever asks. Loopback is no such.
// test/cases/addresses says it case by case, for this and for src/model/special-address.ts.
func special(addr netip.Addr) string {
	if addr.Is4() {
		return special4(addr.As4())
	}
	switch {
	case addr.IsUnspecified():
		return "unspecified address"
	case addr.IsLinkLocalUnicast():
		return "link-local address"
	case addr.IsMulticast():
		return "multicast address"
	case localNAT64.Contains(addr):
		return "reserved address"
	case amazon.Contains(addr) || addr == google:
		return "metadata service of a cloud"
	}
	return ""
}

var (
	// localNAT64 is of RFC 8215: where in it the IPv4 address is, only its network knows.
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	amazon     = netip.MustParsePrefix("fd00:ec2::/32")
	google     = netip.MustParseAddr("fd20:ce::254")
)

// special4 looks at the first byte first, since mostly that is all there is to it.
func special4(b [4]byte) string {
	switch b[0] {
	case 0:
		return "unspecified address"
	case 100:
		if b == [4]byte{100, 100, 100, 200} { // Alibaba Cloud
			return "metadata service of a cloud"
		}
	case 168:
		if b == [4]byte{168, 63, 129, 16} { // Azure
			return "metadata service of a cloud"
		}
	case 169:
		if b[1] == 254 {
			return "link-local address"
		}
	case 192:
		if b[1] != 0 || b[2] != 0 {
			break
		}
		switch b[3] {
		case 8, 170, 171: // RFC 7600, RFC 7050
			return "reserved address"
		case 192: // Oracle Cloud
			return "metadata service of a cloud"
		}
	}
	switch {
	case b == [4]byte{255, 255, 255, 255}:
		return "broadcast address"
	case b[0] >= 240:
		return "reserved address"
	case b[0] >= 224:
		return "multicast address"
	}
	return ""
}

// embedding are the addresses of IPv6 that lead to one of IPv4, and the byte at which that begins.
var embedding = []struct {
	prefix   netip.Prefix
	at       int
	inverted bool
}{
	{netip.MustParsePrefix("::/96"), 12, false},           // compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // translated, RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false},    // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2, false},        // 6to4, RFC 3056
	{netip.MustParsePrefix("2001::/32"), 12, true},        // Teredo, RFC 4380
}

// embedded is the address of IPv4 at which packets for an address of IPv6 end.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if addr.Is4() || addr.IsLoopback() || addr.IsUnspecified() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	switch uint16(b[0])<<8 | uint16(b[1]) {
	case 0, 0x64, 0x2001, 0x2002:
	default:
		return netip.Addr{}, false
	}
	for _, e := range embedding {
		if !e.prefix.Contains(addr) {
			continue
		}
		inside := [4]byte(b[e.at : e.at+4])
		if e.inverted {
			for i := range inside {
				inside[i] = ^inside[i]
			}
		}
		return netip.AddrFrom4(inside), true
	}
	return netip.Addr{}, false
}
