package layer4

import (
	"context"
	"errors"
	"io"
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

// What was read before a connection was copied counts as well, and so does each direction by itself.
func TestBytesOfBothDirectionsAreCounted(t *testing.T) {
	client, visitor := pair(t)
	target, instance := pair(t)
	done := make(chan error, 1)
	var up, down atomic.Uint64
	go func() { done <- join(&replay{Conn: client, data: []byte("hello ")}, target, time.Minute, &up, &down) }()
	got := make([]byte, 11)
	_, _ = visitor.Write([]byte("world"))
	if _, err := io.ReadFull(instance, got); err != nil || string(got) != "hello world" {
		t.Errorf("the target has %q: %v", got, err)
	}
	_ = visitor.(*net.TCPConn).CloseWrite()
	if n, err := instance.Read(got); err != io.EOF {
		t.Errorf("the target is not told that the client has said all: %d, %v", n, err)
	}
	_, _ = instance.Write([]byte("bye"))
	_ = instance.Close()
	if _, err := io.ReadFull(visitor, got[:3]); err != nil || string(got[:3]) != "bye" {
		t.Errorf("the client has %q: %v", got[:3], err)
	}
	if err := <-done; err != nil || up.Load() != 11 || down.Load() != 3 {
		t.Errorf("%d bytes up, %d down: %v", up.Load(), down.Load(), err)
	}
}

// Copying ends when neither side has sent anything for the idle timeout, and not while one of them does.
func TestSilenceOfBothSidesEndsAConnection(t *testing.T) {
	client, visitor := pair(t)
	target, instance := pair(t)
	const idle = 400 * time.Millisecond
	done := make(chan error, 1)
	var up, down atomic.Uint64
	go func() { done <- join(client, target, idle, &up, &down) }()
	began, one := time.Now(), make([]byte, 1)
	for time.Since(began) < 2*idle {
		_, _ = instance.Write(one)
		if _, err := visitor.Read(one); err != nil {
			t.Fatalf("it ended after %v, while the target was sending: %v", time.Since(began), err)
		}
		time.Sleep(idle / 16)
	}
	silent := time.Now()
	if err := <-done; !errors.Is(err, errIdle) || time.Since(silent) < idle/2 {
		t.Errorf("after %v of silence: %v", time.Since(silent), err)
	}
	if _, err := visitor.Read(one); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client: %v", err)
	}
}
