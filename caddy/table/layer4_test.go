package table

import (
	"net"
	"net/netip"
	"testing"
)

func TestAdmitsClientsWithAZone(t *testing.T) {
	client := netip.MustParseAddr("fe80::1%eth0")
	linkLocal := []netip.Prefix{netip.MustParsePrefix("fe80::/10")}
	if (&Layer4{Deny: linkLocal}).Admits(client) {
		t.Error("a denied client is admitted")
	}
	if !(&Layer4{Allow: linkLocal}).Admits(client) {
		t.Error("an allowed client is not admitted")
	}
}

func TestListensOnAddressesWithAZone(t *testing.T) {
	cond := conditions{listen: []netip.Addr{netip.MustParseAddr("fe80::1")}}
	if !cond.listens(&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"}) {
		t.Error("the address is not recognized")
	}
}
