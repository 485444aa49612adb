package layer4

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pair is a connection without keep-alive, and its other end.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if there, err = tcp.DialContext(context.Background(), "tcp", listener.Addr().String()); err == nil {
		here, err = listener.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func keepsAlive(t *testing.T, conn net.Conn) (on bool) {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		value, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		on = err == nil && value != 0
	})
	return on
}

// A peer that is gone without a word is noticed on connections that last; those that do not are spared the system calls.
func TestConnectionsThatLastAreKeptAlive(t *testing.T) {
	client, visitor := pair(t)
	target, _ := pair(t)
	if keepsAlive(t, client) || keepsAlive(t, target) {
		t.Fatal("from the beginning")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var up, down atomic.Uint64
		_ = join(&replay{Conn: client}, target, time.Minute/10, &up, &down)
	}()
	for deadline := time.Now().Add(20 * time.Second); !keepsAlive(t, client) || !keepsAlive(t, target); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never")
		}
	}
	visitor.Close()
	client.Close()
	<-done
}
