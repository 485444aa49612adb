package layer4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/internal/crowd"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/internal/metricstest"
	"gatewright.dev/caddy/table"
)

// failedBy are the series of a rule that a failed connection moves.
func failedBy(rule, why string) metricstest.Series {
	return metricstest.Series{
		"layer4_connections_total{" + rule + ",0}": 1, "layer4_connections_failed_total{" + rule + ",0}": 1,
		"layer4_connection_duration_seconds{tls}": 1, "layer4_failures_total{" + why + "}": 1,
	}
}

// byName is a row of layer 4 for <id>.raw.test, with TLS passed on to the instance of the same name.
func (w *world) byName(id string, to int, edit func(*table.RowJSON)) table.RowJSON {
	row := table.RowJSON{
		ID: id + "/0", Ingress: id, Port: w.port, Host: id + ".raw.test", Layer4: &table.Layer4{Protocol: "tls", ConnectTimeoutMS: 10_000},
		Targets: []table.Target{{Instance: id, Port: to}},
	}
	if edit != nil {
		edit(&row)
	}
	return row
}

// say sends bytes over a connection of its own and reads until it ends.
func (w *world) say(bytes string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write([]byte(bytes))
	_, _ = io.Copy(io.Discard, conn)
}

// secure is a connection with TLS for a name.
func (w *world) secure(name string) (*tls.Conn, error) {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.address(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return conn, err
}

// closed tells whether a connection for a name comes to nothing.
func (w *world) closed(name string) bool {
	conn, err := w.secure(name)
	if err != nil {
		return true
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// terminated has TLS of a row ended here.
func terminated(to *table.Layer4TLS, timeout time.Duration) func(*table.RowJSON) {
	return func(r *table.RowJSON) {
		r.Layer4.Terminate, r.Layer4.TLS, r.Layer4.ConnectTimeoutMS = true, to, timeout.Milliseconds()
	}
}

func TestFailedConnectionsAreCountedByCause(t *testing.T) {
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "*.raw.test")
	w.apps["tls"] = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.load()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	echoes, says := tlsEcho(t).(*net.TCPAddr).Port, silent.Addr().(*net.TCPAddr).Port
	for _, id := range []string{"refused", "distrusted", "silent", "full", "drained", "denied", "asked"} {
		w.dns.Set(id+".test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	}
	w.dns.Set("guarded.test.internal", dnstest.Record{Addresses: []string{"169.254.169.254"}})
	w.dns.Set("broken.test.internal", dnstest.Record{RCode: dnsmessage.RCodeServerFailure})
	w.rows(
		w.byName("refused", freeport.Find(t), nil), w.byName("nowhere", echoes, nil), w.byName("broken", echoes, nil),
		w.byName("guarded", echoes, nil), w.byName("distrusted", echoes, terminated(&table.Layer4TLS{ServerName: "x.test"}, 20*time.Second)),
		w.byName("silent", says, terminated(&table.Layer4TLS{Insecure: true}, 50*time.Millisecond)),
		w.byName("full", echoes, func(r *table.RowJSON) { r.Layer4.MaxConnections = 1 }),
		w.byName("drained", echoes, func(r *table.RowJSON) { r.Targets[0].Mode = "drain" }),
		w.byName("denied", echoes, func(r *table.RowJSON) { r.Layer4.Deny = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }),
		w.byName("asked", echoes, func(r *table.RowJSON) {
			r.Layer4.Terminate, r.TLSOptions = true, demanding("require", newAuthority(t, "ours"))
		}),
	)
	for _, c := range []struct{ id, why string }{
		{"refused", "refused"}, {"nowhere", "no_address"}, {"broken", "dns"}, {"guarded", "guarded"}, {"drained", "drained"},
		{"distrusted", "tls"}, {"silent", "timeout"},
	} {
		before := metricstest.Read(t, "layer4_")
		if !w.closed(c.id + ".raw.test") {
			t.Errorf("%s: there is a connection", c.id)
		}
		eventually(t, c.id, before, failedBy(c.id, c.why))
	}

	before := metricstest.Read(t, "layer4_")
	if !w.closed("denied.raw.test") {
		t.Error("a client that is denied has a connection")
	}
	eventually(t, "denied", before, metricstest.Series{"layer4_connections_refused_total{denied,0}": 1})

	before = metricstest.Read(t, "layer4_")
	if !w.closed("asked.raw.test") {
		t.Error("a client without a certificate has a connection")
	}
	eventually(t, "asked", before, metricstest.Series{"layer4_connections_failed_total{asked,0}": 1, "layer4_failures_total{client_tls}": 1})

	first, err := w.secure("full.raw.test")
	if err != nil {
		t.Fatal(err)
	}
	before = metricstest.Read(t, "layer4_connections_")
	if active := before["layer4_connections_active{full,0}"]; active != 1 {
		t.Errorf("%v connections are open", active)
	}
	all := metricstest.Read(t, "layer4_")
	if !w.closed("full.raw.test") {
		t.Error("a second connection is taken")
	}
	eventually(t, "full", all, failedBy("full", "full"))
	fmt.Fprint(first, "hello")
	if _, err := io.ReadFull(first, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	awaited(t, "the connection has ended, and its bytes are counted", func() bool {
		now := metricstest.Read(t, "layer4_")
		return now["layer4_connections_active{full,0}"] == 0 && now["layer4_received_bytes_total{full,0}"] > 5 &&
			now["layer4_sent_bytes_total{full,0}"] > 5 && now["layer4_connection_seconds_total{full,0}"] > all["layer4_connection_seconds_total{full,0}"]
	})
	w.rows()
	if left := metricstest.Read(t, "layer4_connections_"); len(left) != 0 {
		t.Errorf("rules that are gone are told: %v", left)
	}
}

// eventually waits until these have moved, and no others of layer 4.
func eventually(t *testing.T, name string, before, want metricstest.Series) {
	t.Helper()
	var got metricstest.Series
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got = before.Since(t, "layer4_")
		maps.DeleteFunc(got, func(series string, _ float64) bool {
			return strings.HasPrefix(series, "layer4_connection_seconds_total")
		})
		if maps.Equal(got, want) {
			return
		}
	}
	t.Errorf("%s: moved: %v\nwant: %v", name, got, want)
}

func awaited(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

func TestConnectionsWithoutARuleAreCountedByCause(t *testing.T) {
	w := newWorld(t)
	w.port = freeport.Find(t)
	server := map[string]any{"listen": []string{w.listen(w.port)}, "hello_timeout": "5s"}
	w.apps["gatewright_layer4"] = map[string]any{"tcp": []any{server}}
	w.server["listen"] = []string{w.listen(freeport.Find(t))}
	w.load()
	w.rows(w.byName("known", 1, nil))
	for _, c := range []struct {
		name string
		act  func()
		why  string
	}{
		{"an unknown name", func() { _ = w.closed("unknown.test") }, "name"},
		{"no name", func() { _ = w.closed("") }, "no_sni"},
		{"plain HTTP", func() { w.say("GET / HTTP/1.1\r\n\r\n") }, "not_tls"},
		{"a broken hello", func() { w.say("\x16\x03\x01\x00\x04\x02\x00\x00\x00") }, "broken_hello"},
		{"a client that leaves", func() {
			conn, err := net.Dial("tcp", w.address())
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		}, "client_left"},
	} {
		before := metricstest.Read(t, "layer4_")
		c.act()
		eventually(t, c.name, before, metricstest.Series{"layer4_unrouted_connections_total{" + c.why + "}": 1})
	}

	server["hello_timeout"] = "50ms"
	w.load()
	before := metricstest.Read(t, "layer4_")
	w.say("")
	eventually(t, "a client that says nothing", before, metricstest.Series{"layer4_unrouted_connections_total{timeout}": 1})

	server["hello_timeout"], server["proxy_protocol_from"] = "5s", []string{"127.0.0.0/8"}
	w.load()
	before = metricstest.Read(t, "layer4_")
	w.say("PROXY TCP4 not-an-address\r\n")
	w.say("GET / HTTP/1.1\r\n\r\n")
	eventually(t, "a proxy without its header", before, metricstest.Series{"layer4_unrouted_connections_total{proxy_header}": 2})

	silent := crowd.Replace(crowd.New(2))
	t.Cleanup(func() { crowd.Replace(silent) })
	delete(server, "proxy_protocol_from")
	w.load()
	before = metricstest.Read(t, "layer4_")
	for range 3 {
		conn, err := net.Dial("tcp", w.address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	// Each makes room for the next; the last of them has come when two are gone.
	awaited(t, "two make room", func() bool {
		return before.Since(t, "layer4_")["layer4_unrouted_connections_total{too_many}"] == 2
	})
}

func TestSessionsOfUDPAreCounted(t *testing.T) {
	before := metricstest.Read(t, "layer4_udp_")
	s := udpWorld(t, 16)
	if !talk(t, dialUDP(t, s), "x") {
		t.Fatal("no answer")
	}
	if open := before.Since(t, "layer4_udp_")["layer4_udp_sessions"]; open != 1 {
		t.Errorf("%v sessions are open", open)
	}
	for i := range 20 {
		spoof(s, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, 0, byte(i)}), 9))
	}
	if evicted := before.Since(t, "layer4_udp_")["layer4_udp_evictions_total"]; evicted < 4 {
		t.Errorf("%v sessions have made room", evicted)
	}
}

func TestHandshakesOfEachProtocolAreCounted(t *testing.T) {
	w := secureWorld(t)
	w.rows(w.secured("open/0", "open.test", "", nil))
	for version, want := range map[string]string{
		"HTTP/1.1": "tls_handshakes_total{false,1.3}", "HTTP/2": "tls_handshakes_total{false,1.3}", "HTTP/3": "quic_handshakes_total{false}",
	} {
		before := metricstest.Read(t, "")
		if got := w.request(versions[version](&tls.Config{ServerName: "open.test", InsecureSkipVerify: true}, w.address()), "open.test", "/"); got != "200" {
			t.Errorf("%s: %s", version, got)
		}
		moved := before.Since(t, "")
		if moved[want] != 1 {
			t.Errorf("%s: %v", version, moved)
		}
		if of := moved["tls_ingress_handshakes_total{open/0,ok}"]; version != "HTTP/3" && of != 1 {
			t.Errorf("%s: %v handshakes of the ingress", version, of)
		}
	}
	for version, of := range map[string]string{"HTTP/1.1": "tls_handshake_failures_total", "HTTP/3": "quic_handshake_failures_total"} {
		for name, why := range map[string]string{"nobody.test": "no_certificate", "": "no_sni"} {
			before := metricstest.Read(t, "")
			config := &tls.Config{ServerName: name, InsecureSkipVerify: true}
			if got := w.request(versions[version](config, w.address()), "open.test", "/"); got != "closed" {
				t.Errorf("%s: %s", version, got)
			}
			// net/http and quic-go put the host of the URL, an address, where there is no name, and that is never sent.
			awaited(t, version+" "+why, func() bool { return before.Since(t, "")[of+"{"+why+"}"] == 1 })
		}
	}
	sessions := tls.NewLRUClientSessionCache(4)
	before := metricstest.Read(t, "quic_")
	for range 2 {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{ServerName: "open.test", InsecureSkipVerify: true, ClientSessionCache: sessions}}
		if got := w.request(transport, "open.test", "/"); got != "200" {
			t.Error(got)
		}
		_ = transport.Close()
	}
	before.Expect(t, "quic_", metricstest.Series{"quic_handshakes_total{false}": 1, "quic_handshakes_total{true}": 1})
}

// TestPlacesOfRules: series go up alone, whichever rules come, go and get a place, and nothing is lost of what was counted.
func TestPlacesOfRules(t *testing.T) {
	var p places
	all := make(map[string]told)
	count := func(id string, total float64) {
		all[id] = told{ingress: id, rule: "0", counts: counts{countTotal: total, countActive: 1}}
	}
	before := make(map[string]float64)
	tell := func(most int, want string) {
		t.Helper()
		var got []string
		active := 0.0
		for _, one := range p.share(maps.Clone(all), most) {
			total := one.counts[countTotal]
			got = append(got, fmt.Sprint(one.ingress, " ", total))
			if total < before[one.ingress] {
				t.Errorf("%s goes down from %v to %v", one.ingress, before[one.ingress], total)
			}
			before[one.ingress] = total
			active += one.counts[countActive]
		}
		slices.Sort(got)
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("told: %s, not %s", text, want)
		}
		if active != float64(len(all)) {
			t.Errorf("%v connections are open of %d", active, len(all))
		}
	}
	count("a", 5)
	count("b", 9)
	count("c", 1)
	tell(2, "_other 1, a 5, b 9")
	// A place is kept.
	count("c", 100)
	tell(2, "_other 100, a 5, b 9")
	count("b", 10)
	delete(all, "a")
	count("c", 103)
	// What was told of c with the others stays there.
	tell(2, "_other 100, b 10, c 3")
	count("d", 7)
	tell(2, "_other 107, b 10, c 3")
	delete(all, "d")
	tell(2, "_other 107, b 10, c 3")
	delete(all, "c")
	count("e", 1)
	tell(2, "_other 107, b 10, e 1")
	tell(1, "_other 107, b 10, e 1")
	count("f", 2)
	tell(3, "_other 107, b 10, e 1, f 2")
}
