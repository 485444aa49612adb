package clients

import (
	"net/netip"
	"testing"
)

func TestWhatIsOneClient(t *testing.T) {
	for text, want := range map[string]struct{ network, key string }{
		"192.0.2.1":               {"192.0.2.1/32", "192.0.2.1"},
		"::ffff:192.0.2.1":        {"192.0.2.1/32", "192.0.2.1"},
		"2001:db8:1:2:3:4:5:6":    {"2001:db8:1:2::/64", "2001:db8:1:2::"},
		"fe80::1%eth0":            {"fe80::/64", "fe80::"},
		"2001:db8::":              {"2001:db8::/64", "2001:db8::"},
		"2001:db8:0:0:ffff::1%lo": {"2001:db8::/64", "2001:db8::"},
	} {
		if got := Network(netip.MustParseAddr(text)).String(); got != want.network {
			t.Errorf("the network of %s is %s", text, got)
		}
		if got := Key(text); got != want.key {
			t.Errorf("the key of %s is %s", text, got)
		}
	}
	if got := Network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("the network of no address is %s", got)
	}
	for _, text := range []string{"", "somebody"} {
		if got := Key(text); got != text {
			t.Errorf("the key of %q is %q", text, got)
		}
	}
}
