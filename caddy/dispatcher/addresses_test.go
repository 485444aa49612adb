package dispatcher

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/table"
)

func TestAMovedInstanceIsFoundWithinTheRequest(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port, old := backend(t, "127.0.0.2:0", "old")
	// A kept connection that closes under a POST is no failed dial: the instance may have got the request.
	old.Config.SetKeepAlivesEnabled(false)
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.2"}, TTL: time.Hour})
	w.put("t1", w.row("a", "a.test", "web", port))
	w.expect(w.get("a.test", "/"), 200, "old")
	old.Close()
	backend(t, fmt.Sprint("127.0.0.3:", port), "new")
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.3"}, TTL: time.Hour})
	w.expect(w.do("POST", w.port, "a.test", "/"), 200, "new")
	// And by a push, without a failed dial.
	backend(t, fmt.Sprint("127.0.0.4:", port), "pushed")
	status, answer := w.call("POST", "/gatewright/addresses", `{"names":{"web":{"addresses":["127.0.0.4"]}}}`)
	if status != 200 {
		t.Fatalf("%d %v", status, answer)
	}
	w.expect(w.get("a.test", "/"), 200, "pushed")
	w.call("POST", "/gatewright/addresses", `{"names":{"web":{"addresses":[]}}}`)
	w.expect(w.get("a.test", "/"), 503, "")
	w.call("POST", "/gatewright/addresses", `{"flush":true}`)
	w.expect(w.get("a.test", "/"), 200, "new")
	for _, bad := range []string{`{"names":{"web":{"addresses":["x"]}}}`, `{"names":{"web":{"adresses":[]}}}`, `{"names":{"":{"addresses":[]}}}`, `{"names":{"web":{"addresses":["fe80::1%eth0"]}}}`, `[]`, ``} {
		if status, _ := w.call("POST", "/gatewright/addresses", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestOneOfSeveralAddressesIsDead(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port, _ := backend(t, "127.0.0.2:0", "alive")
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.2", "127.0.0.3"}, TTL: time.Hour})
	w.put("t1", w.row("a", "a.test", "web", port))
	for range 50 {
		w.expect(w.get("a.test", "/"), 200, "alive")
	}
}

func TestSeveralTargets(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	row := w.row("a", "a.test", "one", w.serve("one"))
	row.Targets = append(row.Targets, table.Target{Instance: "two", Port: w.serve("two")}, table.Target{Instance: "gone", Port: 80})
	w.put("t1", row)
	seen := map[string]bool{}
	for range 200 {
		got := w.get("a.test", "/")
		w.expect(got, 200, "")
		seen[got.body] = true
	}
	if !seen["one /"] || !seen["two /"] {
		t.Errorf("only %v", seen)
	}
}

func TestSlowDNSOfOneNameHoldsNoOther(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port := w.serve("quick")
	hold := make(chan struct{})
	w.dns.Set("slow.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, Hold: hold})
	w.put("t1", w.row("slow", "slow.test", "slow", port), w.row("quick", "quick.test", "quick", port))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.try("GET", w.port, "slow.test", "/")
	}()
	for w.dns.Asked("slow.test.internal") == 0 {
		time.Sleep(time.Millisecond)
	}
	w.expect(w.get("quick.test", "/"), 200, "quick")
	select {
	case <-done:
		t.Error("the quick request came after the slow one")
	default:
	}
	close(hold)
	<-done
}

func TestLastKnownAddressWhenDNSDies(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	w.expect(w.get("a.test", "/"), 200, "web-1")
	w.dns.Stop()
	w.call("POST", "/gatewright/addresses", `{"flush":true}`)
	w.expect(w.get("a.test", "/"), 200, "web-1")
}

func TestGuardedAddresses(t *testing.T) {
	w := newWorld(t)
	_, adminPort, _ := net.SplitHostPort(w.admin)
	own, _ := strconv.Atoi(adminPort)
	w.app["guard"] = map[string]any{"deny": []string{"10.0.0.0/8"}, "deny_local_ports": []int{own}, "allow_loopback": true}
	w.load("c1")
	port := w.serve("web-1")
	names := map[string]string{"admin": "127.0.0.1", "admin-mapped": "::ffff:127.0.0.1", "metadata": "169.254.169.254", "range": "10.1.2.3", "zero": "0.0.0.0"}
	if addrs, _ := net.InterfaceAddrs(); len(addrs) > 0 {
		for _, addr := range addrs {
			if ip := addr.(*net.IPNet).IP; !ip.IsLoopback() && ip.To4() != nil {
				names["interface"] = ip.String()
			}
		}
	}
	rows := []table.RowJSON{w.row("ok", "ok.test", "web-1", port), w.row("numeric", "numeric.test", "127.0.0.1", port)}
	for name, addr := range names {
		w.dns.Set(name+".test.internal", dnstest.Record{Addresses: []string{addr}, TTL: time.Minute})
		rows = append(rows, w.row(name, name+".test", name, own))
	}
	// An allowed address beside a refused one is used.
	w.dns.Set("mixed.test.internal", dnstest.Record{Addresses: []string{"169.254.1.1", "127.0.0.1"}})
	rows = append(rows, w.row("mixed", "mixed.test", "mixed", port))
	w.put("t1", rows...)
	for name, addr := range names {
		got := w.get(name+".test", "/config/")
		w.expect(got, 502, "ingress-"+name)
		if strings.Contains(got.body, addr) {
			t.Errorf("the page tells the address: %s", got.body)
		}
	}
	w.expect(w.get("ok.test", "/"), 200, "web-1")
	w.expect(w.get("mixed.test", "/"), 200, "web-1")
	// An instance whose name looks like an address is a name: only the DNS decides.
	w.expect(w.get("numeric.test", "/"), 503, "")
	// The loopback is shut by default.
	w.load("c2", func(app map[string]any) { app["guard"] = map[string]any{} })
	w.expect(w.get("ok.test", "/"), 502, "")
}

func TestIPv6Instances(t *testing.T) {
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6")
	} else {
		probe.Close()
	}
	w := newWorld(t)
	w.load("c1")
	port, _ := backend(t, "[::1]:0", "six")
	w.dns.Set("six.test.internal", dnstest.Record{Addresses: []string{"::1"}})
	w.put("t1", w.row("a", "a.test", "six", port))
	w.expect(w.get("a.test", "/"), 200, "six")
}
