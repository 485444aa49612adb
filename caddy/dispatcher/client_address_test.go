package dispatcher

import (
	"net/netip"
	"testing"
)

// TestClientOf holds E5: what a proxy writes is read, and nothing that stands before what it could not write is believed.
func TestClientOf(t *testing.T) {
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	six := netip.MustParsePrefix("fd00::/8")
	trusts := func(addr netip.Addr) bool { return trusted.Contains(addr) || six.Contains(addr) }
	peer := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, "10.0.0.1"},
		{[]string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{[]string{"6.6.6.6", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		{[]string{"10.0.0.3, 10.0.0.2"}, "10.0.0.1"},
		// Forms of proxies.
		{[]string{"192.0.2.1:4711"}, "192.0.2.1"},
		{[]string{"6.6.6.6, [2001:db8::1]:4711"}, "2001:db8::1"},
		{[]string{"6.6.6.6, [2001:db8::1]"}, "2001:db8::1"},
		{[]string{"6.6.6.6, 2001:db8::1"}, "2001:db8::1"},
		{[]string{"6.6.6.6, 2001:db8::1%eth0"}, "2001:db8::1"},
		{[]string{"6.6.6.6, [2001:db8::1%eth0]:80"}, "2001:db8::1"},
		{[]string{`6.6.6.6, "[2001:db8::1]:4711"`}, "2001:db8::1"},
		{[]string{`6.6.6.6, "192.0.2.1"`}, "192.0.2.1"},
		{[]string{"6.6.6.6, ::ffff:192.0.2.1"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{[]string{"6.6.6.6, 192.0.2.1,[fd00::2]:443"}, "192.0.2.1"},
		// What is no address: that of who wrote it.
		{[]string{"6.6.6.6, unknown"}, "10.0.0.1"},
		{[]string{"6.6.6.6, _hidden"}, "10.0.0.1"},
		{[]string{"6.6.6.6, "}, "10.0.0.1"},
		{[]string{"6.6.6.6", ""}, "10.0.0.1"},
		{[]string{"6.6.6.6,,10.0.0.2"}, "10.0.0.2"},
		{[]string{"6.6.6.6, unknown, 10.0.0.2"}, "10.0.0.2"},
		{[]string{"6.6.6.6, 192.0.2.1:"}, "10.0.0.1"},
		{[]string{"6.6.6.6, 192.0.2.1:x"}, "10.0.0.1"},
		{[]string{"6.6.6.6, 192.0.2.256"}, "10.0.0.1"},
		{[]string{"6.6.6.6, [192.0.2.1]"}, "10.0.0.1"},
		{[]string{"6.6.6.6, [2001:db8::1"}, "10.0.0.1"},
		{[]string{`6.6.6.6, "192.0.2.1`}, "10.0.0.1"},
		{[]string{"6.6.6.6, proxy.example.com"}, "10.0.0.1"},
	} {
		if got := clientOf(c.lines, peer, trusts); got.String() != c.want {
			t.Errorf("E5 %q: %v, want %s", c.lines, got, c.want)
		}
	}
}
