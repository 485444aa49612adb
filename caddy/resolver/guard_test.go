package resolver

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	ours := netip.MustParseAddr("10.9.9.9")
	ours6 := netip.MustParseAddr("2001:db8::9")
	for name, c := range map[string]struct {
		guard   Guard
		addr    string
		port    uint16
		refused bool
	}{
		"an instance":                      {Guard{}, "10.0.0.5", 80, false},
		"an instance, IPv6":                {Guard{}, "2001:db8::5", 80, false},
		"unspecified":                      {Guard{AllowLoopback: true}, "0.0.0.0", 80, true},
		"unspecified IPv6":                 {Guard{AllowLoopback: true}, "::", 80, true},
		"unspecified, mapped":              {Guard{AllowLoopback: true}, "::ffff:0.0.0.0", 80, true},
		"multicast":                        {Guard{}, "224.0.0.1", 80, true},
		"multicast IPv6":                   {Guard{}, "ff02::1", 80, true},
		"broadcast":                        {Guard{}, "255.255.255.255", 80, true},
		"link-local":                       {Guard{}, "169.254.169.254", 80, true},
		"link-local, mapped":               {Guard{}, "::ffff:169.254.169.254", 80, true},
		"link-local IPv6":                  {Guard{}, "fe80::1", 80, true},
		"link-local, though allowed":       {Guard{Allow: []string{"169.254.0.0/16"}}, "169.254.1.1", 80, true},
		"denied range":                     {Guard{Deny: []string{"10.0.0.0/8"}}, "10.1.2.3", 80, true},
		"denied range, mapped":             {Guard{Deny: []string{"10.0.0.0/8"}}, "::ffff:10.1.2.3", 80, true},
		"denied range, though allowed":     {Guard{Deny: []string{"10.0.0.0/8"}, Allow: []string{"10.0.0.0/8"}}, "10.1.2.3", 80, true},
		"denied range, with a zone":        {Guard{Deny: []string{"fd00::/8"}}, "fd00::1%eth0", 80, true},
		"own port, with a zone":            {Guard{DenyLocalPorts: []uint16{2019}}, "2001:db8::9%eth0", 2019, true},
		"loopback":                         {Guard{}, "127.0.0.1", 80, true},
		"loopback, mapped":                 {Guard{}, "::ffff:127.0.0.1", 80, true},
		"loopback elsewhere":               {Guard{}, "127.8.8.8", 80, true},
		"loopback IPv6":                    {Guard{}, "::1", 80, true},
		"loopback, allowed":                {Guard{AllowLoopback: true}, "127.0.0.1", 80, false},
		"loopback by range":                {Guard{Allow: []string{"127.0.0.2/32"}}, "127.0.0.2", 80, false},
		"loopback outside the range":       {Guard{Allow: []string{"127.0.0.2/32"}}, "127.0.0.1", 80, true},
		"own port on loopback":             {Guard{AllowLoopback: true, DenyLocalPorts: []uint16{2019}}, "127.0.0.1", 2019, true},
		"own port on loopback by range":    {Guard{Allow: []string{"127.0.0.0/8"}, DenyLocalPorts: []uint16{2019}}, "127.1.1.1", 2019, true},
		"own port on an interface":         {Guard{DenyLocalPorts: []uint16{2019}}, "10.9.9.9", 2019, true},
		"own port on an interface, IPv6":   {Guard{DenyLocalPorts: []uint16{2019}}, "2001:db8::9", 2019, true},
		"own port on an interface, mapped": {Guard{DenyLocalPorts: []uint16{2019}}, "::ffff:10.9.9.9", 2019, true},
		"other port on an interface":       {Guard{DenyLocalPorts: []uint16{2019}}, "10.9.9.9", 80, false},
		"the same port of an instance":     {Guard{DenyLocalPorts: []uint16{2019}}, "10.0.0.5", 2019, false},
		"the zero address":                 {Guard{}, "", 80, true},
		"E6 all addresses":                 {Guard{DenyListeners: []string{":80"}}, "10.9.9.9", 80, true},
		"E6 all addresses, IPv6":           {Guard{DenyListeners: []string{":80"}}, "2001:db8::9", 80, true},
		"E6 all addresses, loopback":       {Guard{AllowLoopback: true, DenyListeners: []string{":80"}}, "127.0.0.5", 80, true},
		"E6 all of IPv4":                   {Guard{DenyListeners: []string{"0.0.0.0:80"}}, "10.9.9.9", 80, true},
		"E6 all of IPv6":                   {Guard{DenyListeners: []string{"[::]:80"}}, "::ffff:10.9.9.9", 80, true},
		"E6 one address":                   {Guard{DenyListeners: []string{"10.9.9.9:80"}}, "10.9.9.9", 80, true},
		"E6 one address, IPv6":             {Guard{DenyListeners: []string{"[2001:db8::9]:80"}}, "2001:db8::9", 80, true},
		"E6 another address":               {Guard{AllowLoopback: true, DenyListeners: []string{"127.0.0.1:80"}}, "127.0.0.2", 80, false},
		"E6 another port":                  {Guard{DenyListeners: []string{":80"}}, "10.9.9.9", 81, false},
		"E6 an instance":                   {Guard{DenyListeners: []string{":80"}}, "10.0.0.5", 80, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.guard.Provision(); err != nil {
				t.Fatal(err)
			}
			c.guard.local = func() map[netip.Addr]struct{} { return map[netip.Addr]struct{}{ours: {}, ours6: {}} }
			addr, _ := netip.ParseAddr(c.addr)
			if why := c.guard.Refuses(addr, c.port); (why != "") != c.refused {
				t.Errorf("got %q", why)
			}
		})
	}
}

// D11: the table of special addresses, which src/validation reads too.
func TestSpecialAddresses(t *testing.T) {
	text, err := os.ReadFile("../../test/cases/addresses/special.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Block     string   `json:"block"`
		Addresses []string `json:"addresses"`
		Verdict   string   `json:"verdict"`
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	refuses := func(guard Guard, addr string, port uint16) string {
		if err := guard.Provision(); err != nil {
			t.Fatal(err)
		}
		guard.local = func() map[netip.Addr]struct{} { return map[netip.Addr]struct{}{netip.MustParseAddr("10.0.0.1"): {}} }
		return guard.Refuses(netip.MustParseAddr(addr), port)
	}
	for _, c := range cases {
		for _, addr := range c.Addresses {
			if why := refuses(Guard{}, addr, 80); (why != "") != (c.Verdict != "allowed") {
				t.Errorf("%s of %s is %s, got %q", addr, c.Block, c.Verdict, why)
			}
			if why := refuses(Guard{AllowLoopback: true}, addr, 80); (why != "") != (c.Verdict == "refused") {
				t.Errorf("%s of %s is %s with loopback allowed, got %q", addr, c.Block, c.Verdict, why)
			}
		}
	}
	for _, addr := range []string{"10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::"} {
		if refuses(Guard{DenyLocalPorts: []uint16{2019}}, addr, 2019) == "" || refuses(Guard{Deny: []string{"10.0.0.0/8"}}, addr, 80) == "" {
			t.Errorf("%s is let through", addr)
		}
		if why := refuses(Guard{DenyLocalPorts: []uint16{2019}}, addr, 80); why != "" {
			t.Errorf("%s: %s", addr, why)
		}
	}
	for _, addr := range []string{"127.0.0.2", "::ffff:127.0.0.2", "64:ff9b::127.0.0.2"} {
		if why := refuses(Guard{Allow: []string{"127.0.0.2/32"}}, addr, 80); why != "" {
			t.Errorf("%s: %s", addr, why)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	guard := Guard{Deny: []string{"169.254.0.0/16", "fe80::/10"}, DenyLocalPorts: []uint16{2019, 8080, 5353}}
	if err := guard.Provision(); err != nil {
		b.Fatal(err)
	}
	for _, text := range []string{"10.0.0.1", "fd12::1"} {
		addr := netip.MustParseAddr(text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if guard.Refuses(addr, 80) != "" {
					b.Fatal("refused")
				}
			}
		})
	}
}

func TestGuardNeedsRanges(t *testing.T) {
	for _, guard := range []Guard{
		{Deny: []string{"10.0.0.1"}}, {Allow: []string{"x"}}, {Deny: []string{"::ffff:10.0.0.0/104"}},
		{DenyListeners: []string{"10.0.0.1"}}, {DenyListeners: []string{":0x50"}},
	} {
		if guard.Provision() == nil {
			t.Errorf("%+v was taken", guard)
		}
	}
	guard := Guard{DenyLocalPorts: []uint16{2019}}
	if err := guard.Provision(); err != nil || guard.local == nil {
		t.Errorf("%v; it knows the machine's addresses: %v", err, guard.local != nil)
	}
}

func TestInterfacesAreReadAgain(t *testing.T) {
	addr := func(text string) net.Addr { return &net.IPNet{IP: net.ParseIP(text), Mask: net.CIDRMask(24, 32)} }
	answers := make(chan func() ([]net.Addr, error), 3)
	l := &localAddresses{read: func() ([]net.Addr, error) { return (<-answers)() }}
	has := func(text string) bool { _, ok := l.addresses()[netip.MustParseAddr(text)]; return ok }
	age := func() {
		snapshot := *l.snapshot.Load()
		snapshot.taken = time.Now().Add(-2 * interfacesFor)
		l.snapshot.Store(&snapshot)
	}
	answers <- func() ([]net.Addr, error) { return []net.Addr{addr("10.0.0.1")}, nil }
	if !has("10.0.0.1") || has("10.0.0.2") {
		t.Fatal("the first list is wrong")
	}
	age()
	if has("10.0.0.2") {
		t.Error("the request waited")
	}
	answers <- func() ([]net.Addr, error) { return []net.Addr{addr("10.0.0.2")}, nil }
	eventually(t, "the new list", func() bool { return has("10.0.0.2") && !has("10.0.0.1") })
	eventually(t, "the end of the refresh", func() bool { return !l.refreshing.Load() })
	age()
	answers <- func() ([]net.Addr, error) { return nil, errors.New("no") }
	has("10.0.0.2")
	eventually(t, "the failed refresh", func() bool { return time.Since(l.snapshot.Load().taken) < interfacesFor })
	if !has("10.0.0.2") {
		t.Error("a failure emptied the list")
	}
}
