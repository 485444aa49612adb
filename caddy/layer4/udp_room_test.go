package layer4

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
)

// packetEcho is a UDP server that sends back what it gets, until the test ends.
func packetEcho(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buf[:n], from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// udpWorld is a socket with a rule, and room for so many sessions.
func udpWorld(t *testing.T, most int) *socket {
	t.Helper()
	w := newWorld(t)
	listen := freeUDP(t)
	address := netip.MustParseAddrPort(listen)
	w.apps["gatewright_layer4"] = map[string]any{"udp": []string{listen}}
	w.load()
	w.rows(table.RowJSON{
		ID: t.Name(), Ingress: "udp", Port: int(address.Port()), Layer4: &table.Layer4{Protocol: "udp"},
		Targets: []table.Target{{Address: "127.0.0.1", Port: packetEcho(t)}},
	})
	if app.HostTable().LookupPort("udp", address.Port(), nil) == nil {
		t.Fatal("no row")
	}
	var found *socket
	sockets.Range(func(key, value any) bool {
		if key == listen {
			found = value.(*socket)
		}
		return true
	})
	found.mu.Lock()
	found.most = func() int { return most }
	found.mu.Unlock()
	return found
}

// talk sends a packet and awaits its echo.
func talk(t *testing.T, conn net.Conn, text string) bool {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	return err == nil && string(buf[:n]) == text
}

func dialUDP(t *testing.T, s *socket) net.Conn {
	t.Helper()
	conn, err := net.Dial("udp", s.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// spoof sends as a client whose address is made up: what goes to it comes back to nobody.
func spoof(s *socket, client netip.AddrPort) { s.sessionOf(client).send([]byte("x")) }

// D9: packets with made-up addresses take the places of each other: who talks keeps its session, who comes gets one.
func TestSpoofedPacketsLeaveRoom(t *testing.T) {
	s := udpWorld(t, 64)
	talks := dialUDP(t, s)
	for i := range 2 {
		if !talk(t, talks, fmt.Sprint("first ", i)) {
			t.Fatal("no answer before the flood")
		}
	}
	before := s.sessionOf(netip.MustParseAddrPort(talks.LocalAddr().String()))
	for round := range 10 {
		for i := range 100 {
			spoof(s, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(round), byte(i)}), 9))
		}
		if !talk(t, dialUDP(t, s), "new") {
			t.Fatal("a new client gets no answer")
		}
	}
	if !talk(t, talks, "last") || s.sessionOf(netip.MustParseAddrPort(talks.LocalAddr().String())) != before {
		t.Error("the session of a client that talks was lost")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) > 64 {
		t.Errorf("%d sessions", len(s.sessions))
	}
}

// D9: one client address has its share.
func TestOneClientHasItsShareOfSessions(t *testing.T) {
	s := udpWorld(t, 64)
	other := netip.MustParseAddrPort("127.2.0.1:9")
	spoof(s, other)
	theirs := s.sessionOf(other)
	for port := range uint16(1000) {
		spoof(s, netip.AddrPortFrom(netip.MustParseAddr("127.3.0.1"), 1+port))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) != 1+64/clientShare || s.sessions[other] != theirs {
		t.Errorf("%d sessions", len(s.sessions))
	}
	if s.sessions[netip.MustParseAddrPort("127.3.0.1:1000")] == nil {
		t.Error("the client's own latest session made no room for itself")
	}
}

// D9: the places at a target are shared as those of the socket, unless the rule says how many there are.
func TestSpoofedPacketsLeavePlacesAtTheTarget(t *testing.T) {
	s := udpWorld(t, 1<<20)
	const most = 100
	s.mu.Lock()
	s.atTarget = most
	s.mu.Unlock()
	for i := range most {
		spoof(s, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 4, 0, byte(i)}), 9))
	}
	rule := ruleOf(t.Name())
	for range 1000 {
		if rule.active.Load() == most {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !talk(t, dialUDP(t, s), "new") {
		t.Error("a new client gets no answer")
	}
}

func TestRoomForgets(t *testing.T) {
	s := udpWorld(t, 64)
	for i := range 200 {
		spoof(s, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 0, byte(i)}), 9))
	}
	s.mu.Lock()
	var open []*session
	for _, one := range s.sessions {
		open = append(open, one)
	}
	s.mu.Unlock()
	for _, one := range open {
		one.end()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) != 0 || len(s.room.clients) != 0 || s.room.unproven.Len() != 0 {
		t.Errorf("%d sessions, %d clients, %d unproven are left", len(s.sessions), len(s.room.clients), s.room.unproven.Len())
	}
}

// A packet that is refused leaves nothing behind: made-up clients must not fill the memory when all places are proven.
func TestRefusedPacketsLeaveNothing(t *testing.T) {
	const most = 16
	s := udpWorld(t, most)
	flood := func() {
		for i := range 1000 {
			spoof(s, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 6, byte(i >> 8), byte(i)}), 9))
		}
	}
	expect := func(when string) {
		t.Helper()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.sessions) != most || len(s.room.clients) != most {
			t.Errorf("%s: %d sessions, %d clients", when, len(s.sessions), len(s.room.clients))
		}
	}
	for i := range most {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 5, 0, byte(i)}), 9)
		s.sessionOf(client).answered.Store(true)
		s.sessionOf(client)
	}
	flood()
	expect("all are proven")
	s.mu.Lock()
	s.most, s.closed = func() int { return 10 * most }, true
	s.mu.Unlock()
	flood()
	s.mu.Lock()
	s.closed = false
	s.mu.Unlock()
	expect("closed")
}
