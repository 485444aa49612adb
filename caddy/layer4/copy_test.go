package layer4

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
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

// pipes is how many descriptors of pipes this process has.
func pipes(t *testing.T) (count int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if to, _ := os.Readlink("/proc/self/fd/" + file.Name()); strings.HasPrefix(to, "pipe:") {
			count++
		}
	}
	return count
}

// Connections that say little hold no pipes, however many there are; much is copied whole, and then ends as little does.
func TestPipesAreForMuchAlone(t *testing.T) {
	before := pipes(t)
	const many = 20
	var ends [many][2]net.Conn
	done := make(chan error, many)
	for i := range many {
		client, visitor := pair(t)
		target, instance := pair(t)
		ends[i] = [2]net.Conn{visitor, instance}
		go func() {
			var up, down atomic.Uint64
			done <- join(client, target, time.Minute, &up, &down)
		}()
	}
	say := func(from, to net.Conn, what []byte) {
		t.Helper()
		go func() { _, _ = from.Write(what) }()
		got := make([]byte, len(what))
		if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, what) {
			t.Fatalf("%d bytes were sent, and others came: %v", len(what), err)
		}
	}
	for _, one := range ends {
		say(one[0], one[1], []byte("hello"))
		say(one[1], one[0], []byte("hello yourself"))
	}
	// Those that had more are closed whenever garbage is collected.
	if after := pipes(t); after > before {
		t.Errorf("%d connections hold %d pipes", many, after-before)
	}
	much := make([]byte, 3<<20)
	_, _ = rand.Read(much)
	for _, one := range ends {
		say(one[0], one[1], much)
		say(one[1], one[0], much[1:])
		say(one[0], one[1], much[:1])
	}
	for _, one := range ends {
		_ = one[0].(*net.TCPConn).CloseWrite()
		if n, err := one[1].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the end did not arrive: %d, %v", n, err)
		}
		_ = one[1].Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
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
