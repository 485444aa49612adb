package layer4

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"gatewright.dev/caddy/table"
)

// panics is a connection over which the code fails.
type panics struct{ net.Conn }

func (panics) Read([]byte) (int, error) { panic("on purpose") }

// Copying in one direction has a goroutine of its own, whose panic would end the process.
func TestAPanicOverAConnectionEndsOnlyIt(t *testing.T) {
	client, visitor := net.Pipe()
	target, instance := net.Pipe()
	var up, down atomic.Uint64
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		_ = join(panics{client}, target, time.Minute, &up, &down)
	}()
	select {
	case failure := <-ended:
		if failure == nil {
			t.Error("whoever asked for it is not told")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the other direction goes on")
	}
	for _, peer := range []net.Conn{visitor, instance} {
		_ = peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a connection was left open:", err)
		}
	}
}

func TestAPanicOverASessionEndsOnlyIt(t *testing.T) {
	w := newWorld(t)
	s, err := openSocket(freeUDP(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Destruct() })
	// A configuration that was not provisioned has no resolver.
	s.own(&App{})
	w.rows(table.RowJSON{
		ID: t.Name(), Ingress: "udp", Port: int(s.port), Layer4: &table.Layer4{Protocol: "udp"},
		Targets: []table.Target{{Address: "127.0.0.1", Port: 9}},
	})
	one := s.sessionOf(netip.MustParseAddrPort("127.0.0.1:9"))
	select {
	case <-one.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
	}
	if active := ruleOf(t.Name()).active.Load(); active != 0 {
		t.Errorf("%d sessions are still counted", active)
	}
}
