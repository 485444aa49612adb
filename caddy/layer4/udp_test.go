package layer4

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

func freeUDP(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

// A configuration whose start fails stops what it has started, and the one before it goes on.
func TestSocketGoesBackToTheConfigurationBefore(t *testing.T) {
	listen := freeUDP(t)
	before, failed := &App{UDP: []string{listen}}, &App{UDP: []string{listen}}
	for _, u := range []*App{before, failed} {
		if err := u.Start(); err != nil {
			t.Fatal(err)
		}
	}
	s := before.sockets[listen]
	if got := s.owner(); got != failed {
		t.Errorf("the newest configuration does not own the socket, but %p", got)
	}
	if err := failed.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := s.owner(); got != before {
		t.Errorf("the configuration before does not own the socket, but %p", got)
	}
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, open := sockets.References(listen); open {
		t.Error("the socket is still open")
	}
}

func TestPacketsThatWaitAreBounded(t *testing.T) {
	before := queuedBytes.Load()
	packet := make([]byte, 60_000)
	var all []*session
	for i := range 2 * maxQueuedBytes / (maxQueued * len(packet)) {
		one := &session{socket: &socket{sessions: map[netip.AddrPort]*session{}}, client: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i))}
		all = append(all, one)
		for range maxQueued {
			one.send(packet)
		}
	}
	if got := queuedBytes.Load(); got > maxQueuedBytes || got < maxQueuedBytes/2 {
		t.Errorf("%d bytes wait", got)
	}
	for _, one := range all {
		one.end()
	}
	if got := queuedBytes.Load(); got != before {
		t.Errorf("%d bytes are still counted", got-before)
	}
}

// A packet for which the system has no room is lost: the goroutine that sends it is the only one that reads the port. On
// loopback packets of UDP need no room; datagrams of a Unix socket do.
func TestSendingNeverWaits(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range pair {
		file := os.NewFile(uintptr(fd), "pair")
		conn, err := net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ends[i] = conn.(*net.UnixConn)
	}
	raw, err := ends[0].SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	noted := &record{}
	noted.bytesOf(ruleOf(t.Name()))
	one := &session{out: raw, noted: noted}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range 10_000 {
			one.send(make([]byte, 1000))
		}
	}()
	select {
	case <-sent:
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
	_ = ends[1].SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := ends[1].Read(make([]byte, 2000)); n != 1000 || err != nil {
		t.Errorf("%d bytes have come: %v", n, err)
	}
}
