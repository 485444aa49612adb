package layer4

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// dialerOf are those of a row with targets at addresses, tried in their order.
func dialerOf(t *testing.T, w *world, options *table.Layer4, targets ...netip.AddrPort) *dialer {
	t.Helper()
	options.Protocol, options.Policy = "tcp", "first"
	row := table.RowJSON{ID: t.Name(), Ingress: "tcp", Port: 5000, Layer4: options}
	for _, at := range targets {
		row.Targets = append(row.Targets, table.Target{Address: at.Addr().String(), Port: int(at.Port())})
	}
	w.rows(row)
	return &dialer{
		row: app.HostTable().LookupPort("tcp", 5000, nil), rule: ruleOf(t.Name()),
		resolver: resolver.New(w.dns.Address, "test.internal", 0), guard: &resolver.Guard{AllowLoopback: true},
	}
}

func addressOf(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// An address whose connections fail has none: they are given back, so that max_connections does not fill with them.
func TestFailedAttemptsAreGivenBack(t *testing.T) {
	w := newWorld(t)
	refuses := addressOf(t, w.address())
	p := dialerOf(t, w, &table.Layer4{MaxConnections: 1}, refuses)
	for range 3 {
		if conn, err := p.dial(t.Context(), &net.TCPAddr{}, &net.TCPAddr{}); err == nil {
			conn.release()
			t.Fatal("somebody listens")
		}
		if got := p.rule.pool.Addresses()[refuses.String()].Active; got != 0 {
			t.Fatalf("%d connections are counted of an address that has none", got)
		}
	}
	listener, err := net.Listen("tcp", refuses.String())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := p.dial(t.Context(), &net.TCPAddr{}, &net.TCPAddr{})
	if err != nil {
		t.Fatalf("the address takes no connection after failed ones: %v", err)
	}
	conn.release()
}

// A target that takes connections and then says nothing does not use up the time for the others.
func TestOneAttemptIsBounded(t *testing.T) {
	w := newWorld(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	answers := tlsEcho(t).String()
	p := dialerOf(t, w, &table.Layer4{ConnectTimeoutMS: 4 * attemptTime.Milliseconds(), TLS: &table.Layer4TLS{Insecure: true}},
		addressOf(t, silent.Addr().String()), addressOf(t, answers))
	conn, err := p.dial(t.Context(), &net.TCPAddr{}, &net.TCPAddr{})
	if err != nil {
		t.Fatalf("the second target was not reached: %v", err)
	}
	defer conn.release()
	if got := conn.RemoteAddr().String(); got != answers {
		t.Errorf("connected with %s", got)
	}
}

func TestEachIsTriedOnceAndWhatFailedLast(t *testing.T) {
	w := newWorld(t)
	for _, policy := range []string{"", "first", "random", "least_conn", "ip_hash"} {
		p := dialerOf(t, w, &table.Layer4{}, addressOf(t, "10.0.0.1:80"), addressOf(t, "10.0.0.2:80"), addressOf(t, "10.0.0.3:80"), addressOf(t, "10.0.0.4:80"))
		p.row.Layer4().Policy, p.rule = policy, &rule{}
		for _, failing := range []string{"10.0.0.1:80", "10.0.0.3:80"} {
			p.rule.pool.Fail(failing, "", passiveOf(p.row.Layer4()))
		}
		var order []string
		_, err := p.reach(t.Context(), 0, func(dial string, others bool) error {
			if order = append(order, dial); others != (len(order) < 4) {
				t.Errorf("%s: others than the %d. are left: %v", policy, len(order), others)
			}
			return io.EOF
		})
		if err != io.EOF || len(order) != 4 {
			t.Fatalf("%s: tried %v: %v", policy, order, err)
		}
		slices.Sort(order[:2])
		slices.Sort(order[2:])
		if fmt.Sprint(order) != "[10.0.0.2:80 10.0.0.4:80 10.0.0.1:80 10.0.0.3:80]" {
			t.Errorf("%s: %v", policy, order)
		}
	}
}

// Only a failed attempt is a reason to ask the DNS again: a full address is where it was.
func TestAFullTargetIsNotAskedForAgain(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const name = "full.test.internal"
	w.dns.Set(name, dnstest.Record{Addresses: []string{"127.0.0.1"}, TTL: time.Hour})
	p := dialerOf(t, w, &table.Layer4{}, addressOf(t, listener.Addr().String()))
	w.rows(table.RowJSON{
		ID: t.Name(), Ingress: "tcp", Port: 5000, Layer4: &table.Layer4{Protocol: "tcp", MaxConnections: 1},
		Targets: []table.Target{{Instance: "full", Port: listener.Addr().(*net.TCPAddr).Port}},
	})
	p.row = app.HostTable().LookupPort("tcp", 5000, nil)
	conn, err := p.dial(t.Context(), &net.TCPAddr{}, &net.TCPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.release()
	before := w.dns.Asked(name)
	for range 3 {
		if _, err := p.dial(t.Context(), &net.TCPAddr{}, &net.TCPAddr{}); !errors.Is(err, errFull) {
			t.Fatalf("not full, but %v", err)
		}
	}
	if asked := w.dns.Asked(name) - before; asked != 0 {
		t.Errorf("%d questions for an address that is full", asked)
	}
}
