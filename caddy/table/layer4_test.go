package table

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/certtest"
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

func TestWhoIsAdmitted(t *testing.T) {
	networks := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for name, c := range map[string]struct {
		allow, deny []netip.Prefix
		client      string
		admitted    bool
	}{
		"no networks":              {nil, nil, "192.0.2.1", true},
		"allowed":                  {networks("10.0.0.0/8", "192.0.2.0/24"), nil, "192.0.2.1", true},
		"not allowed":              {networks("10.0.0.0/8"), nil, "192.0.2.1", false},
		"denied":                   {nil, networks("10.0.0.0/8", "192.0.2.0/24"), "192.0.2.1", false},
		"not denied":               {nil, networks("10.0.0.0/8"), "192.0.2.1", true},
		"allowed and denied":       {networks("192.0.0.0/8"), networks("192.0.2.0/24"), "192.0.2.1", false},
		"allowed, written as IPv6": {networks("192.0.2.0/24"), nil, "::ffff:192.0.2.1", true},
	} {
		if got := (&Layer4{Allow: c.allow, Deny: c.deny}).Admits(netip.MustParseAddr(c.client)); got != c.admitted {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTimesOfLayer4(t *testing.T) {
	for _, c := range []struct {
		row           *Layer4
		idle, connect time.Duration
	}{
		{&Layer4{Protocol: "tcp"}, time.Hour, 30 * time.Second},
		{&Layer4{Protocol: "udp"}, 30 * time.Second, 30 * time.Second},
		{&Layer4{Protocol: "udp", IdleTimeoutMS: 1, ConnectTimeoutMS: 1}, time.Millisecond, time.Millisecond},
		{&Layer4{Protocol: "tls", IdleTimeoutMS: 1500, ConnectTimeoutMS: 2500}, 1500 * time.Millisecond, 2500 * time.Millisecond},
	} {
		if idle, connect := c.row.Idle(), c.row.Connect(); idle != c.idle || connect != c.connect {
			t.Errorf("%s: idle %v, connect %v", c.row.Protocol, idle, connect)
		}
	}
}

func TestRowsOfLayer4AreChecked(t *testing.T) {
	certificate, _ := certtest.SelfSigned(t, "a.test")
	for name, c := range map[string]struct {
		host string
		row  *Layer4
		edit func(*RowJSON)
		want string
	}{
		"tcp":                      {"", &Layer4{Protocol: "tcp", ProxyProtocol: "v2", TLS: &Layer4TLS{CAPEM: certificate}}, nil, ""},
		"udp":                      {"", &Layer4{Protocol: "udp", Policy: "ip_hash"}, nil, ""},
		"tls":                      {"*.test", &Layer4{Protocol: "tls", Terminate: true, ProxyProtocol: "v1"}, nil, ""},
		"the system's authorities": {"", &Layer4{Protocol: "tcp", TLS: &Layer4TLS{}}, nil, ""},
		"another protocol":         {"a.test", &Layer4{Protocol: "sctp"}, nil, `protocol "sctp"`},
		"another policy":           {"", &Layer4{Protocol: "tcp", Policy: "best"}, nil, `policy "best"`},
		"another PROXY protocol":   {"", &Layer4{Protocol: "tcp", ProxyProtocol: "v3"}, nil, `proxy_protocol "v3"`},
		"udp with a PROXY header":  {"", &Layer4{Protocol: "udp", ProxyProtocol: "v2"}, nil, "udp has neither"},
		"udp over TLS":             {"", &Layer4{Protocol: "udp", TLS: &Layer4TLS{}}, nil, "udp has neither"},
		"tcp that ends TLS":        {"", &Layer4{Protocol: "tcp", Terminate: true}, nil, "needs the protocol tls"},
		"no authorities":           {"", &Layer4{Protocol: "tcp", TLS: &Layer4TLS{CAPEM: "none"}}, nil, "ca_pem has no certificate"},
		"tcp with a host":          {"a.test", &Layer4{Protocol: "tcp"}, nil, "a row of tcp has no host"},
		"a path":                   {"a.test", &Layer4{Protocol: "tls"}, prefix("/a"), "has no path"},
		"methods":                  {"a.test", &Layer4{Protocol: "tls"}, methods("GET"), "has no path"},
		"headers":                  {"a.test", &Layer4{Protocol: "tls"}, headers("X", "1"), "has no path"},
		"tls as of HTTP":           {"a.test", &Layer4{Protocol: "tls"}, func(r *RowJSON) { r.TLS = true }, "has no path"},
		"auth":                     {"a.test", &Layer4{Protocol: "tls"}, func(r *RowJSON) { r.Auth = &Auth{"X", strings.Repeat("0", 64)} }, "has no path"},
		"a redirect":               {"a.test", &Layer4{Protocol: "tls"}, func(r *RowJSON) { r.Redirect = &Redirect{443} }, "has no path"},
		"a policy set":             {"a.test", &Layer4{Protocol: "tls"}, func(r *RowJSON) { r.Policy = "p" }, "has no path"},
		"no targets":               {"a.test", &Layer4{Protocol: "tls"}, func(r *RowJSON) { r.Targets = nil }, "needs targets"},
		"no listen address":        {"", &Layer4{Protocol: "tcp"}, func(r *RowJSON) { r.Listen = []string{"10.0.0.1", "here"} }, `listen[1] "here"`},
		"a zone":                   {"", &Layer4{Protocol: "tcp"}, func(r *RowJSON) { r.Listen = []string{"fe80::1%eth0"} }, "listen[0]"},
	} {
		row := RowJSON{ID: "a", Port: 5000, Host: c.host, Layer4: c.row, Targets: []Target{{Instance: "web", Port: 80}}}
		if c.edit != nil {
			c.edit(&row)
		}
		_, problems := compile(&row)
		if got := strings.Join(problems, "; "); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestPortsOfRows(t *testing.T) {
	for port, fine := range map[int]bool{-1: false, 0: false, 1: true, 65535: true, 65536: false} {
		for what, edit := range map[string]func(*RowJSON){
			"row": func(r *RowJSON) { r.Port = port }, "target": func(r *RowJSON) { r.Targets[0].Port = port }, "redirect": redirectTo(port),
		} {
			row := rowJSON("a", "a.test", edit)
			if _, problems := compile(&row); (len(problems) == 0) != fine {
				t.Errorf("%s to %d: %q", what, port, problems)
			}
		}
	}
	for weight, fine := range map[int]bool{-1: false, 0: true, 1000: true, 1001: false} {
		if problems := targetProblems(Target{Instance: "a", Port: 80, Weight: &weight}); (problems == "") != fine {
			t.Errorf("weight %d: %q", weight, problems)
		}
	}
}

// Each listen address of a port may have a row of its own.
func TestRowsByListenAddress(t *testing.T) {
	row := func(id, protocol string, listen ...string) RowJSON {
		return RowJSON{ID: id, Port: 5000, Layer4: &Layer4{Protocol: protocol}, Listen: listen, Targets: []Target{{Instance: "web", Port: 80}}}
	}
	var table Table
	mustReplace(t, &table, "1", row("one", "tcp", "127.0.0.1"), row("others", "tcp", "127.0.0.2", "127.0.0.3"), row("all", "udp"))
	for _, c := range []struct {
		network string
		local   net.Addr
		want    string
	}{
		{"tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "one"},
		{"tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}, "others"},
		{"tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 4)}, ""},
		{"tcp", textAddr("127.0.0.2:5000"), "others"},
		{"tcp", textAddr("@"), ""},
		{"tcp", nil, ""},
		{"udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 4)}, "all"},
		{"udp", nil, "all"},
	} {
		got := ""
		if found := table.LookupPort(c.network, 5000, c.local); found != nil {
			got = found.ID()
		}
		if got != c.want {
			t.Errorf("%s at %v: %q, want %q", c.network, c.local, got, c.want)
		}
	}
	if table.LookupPort("tcp", 5001, nil) != nil || !table.Has("one") || table.Has("two") {
		t.Error("rows are there that were not given")
	}
	for name, c := range map[string]struct {
		other RowJSON
		tie   bool
	}{
		"another address":      {row("b", "tcp", "127.0.0.4"), false},
		"an address of two":    {row("b", "tcp", "127.0.0.4", "127.0.0.3"), true},
		"every address":        {row("b", "tcp"), true},
		"another protocol":     {row("b", "udp", "127.0.0.1"), true},
		"the same, as of IPv6": {row("b", "tcp", "::ffff:127.0.0.1"), true},
	} {
		if err := table.Patch("1", "1", nil, rowsOf(c.other)); (err != nil) != c.tie {
			t.Errorf("%s: %v", name, err)
		}
		_ = table.Patch("1", "1", []string{"b"}, rowsOf())
	}
}

type textAddr string

func (textAddr) Network() string  { return "other" }
func (a textAddr) String() string { return string(a) }
