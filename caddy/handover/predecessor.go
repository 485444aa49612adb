package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// listenAt has successors find this process at path, in the place of whoever was found there.
func listenAt(path string) error {
	own := OwnName(path, "h")
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: own, Net: "unixpacket"})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	err = os.Chmod(own, 0o600)
	if err == nil {
		err = os.Rename(own, path)
	}
	if err != nil {
		_ = listener.Close()
		_ = os.Remove(own)
		return err
	}
	go serve(listener)
	return nil
}

// OwnName is where a process makes a file that is to be at path: no longer than most names, since the path of a Unix socket
// has 108 bytes at the most (unix(7)). What processes that have ended left under such names is removed.
func OwnName(path, kind string) string {
	folder := filepath.Dir(path)
	left, _ := filepath.Glob(filepath.Join(folder, "."+kind+"[0-9]*"))
	for _, file := range left {
		pid, err := strconv.Atoi(filepath.Base(file)[1+len(kind):])
		if err == nil && (pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)) {
			_ = os.Remove(file)
		}
	}
	return filepath.Join(folder, fmt.Sprintf(".%s%d", kind, os.Getpid()))
}

// serve hands over to one process after another, until one has taken over.
func serve(listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		p := &peer{conn: conn}
		drain, err := p.handOver()
		if err != nil {
			_ = conn.Close()
			logger().Info("a process that was to take over did not, and this one serves on", zap.Error(err))
			continue
		}
		_ = listener.Close()
		finish(p, drain)
		return
	}
}

// isOurs refuses a process of another user.
func (p *peer) isOurs() error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return err
	}
	var of *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) { of, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(controlErr, err); err != nil {
		return err
	}
	if int(of.Uid) != os.Geteuid() && of.Uid != 0 {
		return fmt.Errorf("process %d belongs to another user", of.Pid)
	}
	return nil
}

// handOver gives the sockets away. After an error this process accepts as before.
func (p *peer) handOver() (drain time.Duration, err error) {
	if err := p.isOurs(); err != nil {
		return 0, err
	}
	greeting, err := p.expect(hello)
	if err != nil {
		return 0, err
	}
	mu.Lock()
	sockets := make(map[address]Listening, len(offered))
	for key, socket := range offered {
		sockets[key] = socket
	}
	mu.Unlock()
	for key, socket := range sockets {
		// One that was closed meanwhile is none any more.
		err := p.send(message{Kind: socketOf, Network: key.network, Address: key.text}, socket)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return 0, err
		}
	}
	if err := p.send(message{Kind: allSockets}, nil); err != nil {
		return 0, err
	}
	// It loads its configuration, and asks for nothing meanwhile.
	if _, err := p.expectWithin(ready, loadTime); err != nil {
		return 0, err
	}
	resume := pause()
	if err = p.send(message{Kind: stopped}, nil); err == nil {
		_, err = p.expect(accepting)
	}
	if err == nil {
		// From here on it accepts, or it is gone.
		_, err = p.expectWithin(placed, 0)
	}
	if err != nil {
		resume()
		return 0, err
	}
	return greeting.Drain, nil
}

// pause ends what waits for connections and packets; nobody begins again before the function is called that it returns.
func pause() (resume func()) {
	mu.Lock()
	defer mu.Unlock()
	release := hold()
	limitWaits(time.Unix(1, 0))
	return func() {
		mu.Lock()
		defer mu.Unlock()
		limitWaits(time.Time{})
		release()
	}
}

// limitWaits is the deadline of all that waits at sockets. mu is held.
func limitWaits(deadline time.Time) {
	for _, socket := range offered {
		if packets, ok := socket.(net.PacketConn); ok {
			// Answers go on.
			_ = packets.SetReadDeadline(deadline)
			continue
		}
		_ = socket.SetDeadline(deadline)
	}
}

// after is the successor that accepts in this process's place.
var after atomic.Pointer[peer]

// Give hands a connection to the successor, and closes it here. False: there is none, or it takes no more.
func Give(told any, conn *net.TCPConn) bool {
	p := after.Load()
	if p == nil {
		return false
	}
	text, err := json.Marshal(told)
	if err == nil {
		err = p.send(message{Kind: connection, Connection: text}, conn)
	}
	if err != nil {
		return false
	}
	// The connection itself lives on: the successor has a descriptor of it.
	_ = conn.Close()
	return true
}

// busy tell how much of what they serve is not done.
var busy []func() int

// Busy has a process that drains wait while count is not 0. Called while the program starts.
func Busy(count func() int) { busy = append(busy, count) }

// exitTime is how long Caddy may take to exit when it is told to.
const exitTime = 5 * time.Second

// lookEvery is how often a process that drains looks whether it is done.
const lookEvery = 100 * time.Millisecond

// finish ends the process when all that it serves is done, or when the time is over.
func finish(p *peer, limit time.Duration) {
	mu.Lock()
	for _, socket := range offered {
		// The answers to packets that came before are sent by their socket.
		if _, ok := socket.(net.PacketConn); !ok {
			_ = socket.Close()
		}
	}
	mu.Unlock()
	after.Store(p)
	mark(limit)
	close(draining)
	logger().Info("another process has taken over; finishing what this one has", zap.Duration("at_most", limit))
	over := time.Now().Add(limit)
	// Twice: a connection may have come at the last moment, and be counted at the next.
	for quiet := 0; quiet < 2 && time.Now().Before(over); time.Sleep(lookEvery) {
		if quiet++; left() > 0 {
			quiet = 0
		}
	}
	logger().Info("done, or out of time", zap.Int("left", left()))
	// Caddy exits. It would wait for requests that never end.
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(exitTime)
	unmark()
	certmagic.CleanUpOwnLocks(context.Background(), logger())
	os.Exit(caddy.ExitCodeForceQuit)
}

func left() (sum int) {
	for _, count := range busy {
		sum += count()
	}
	return sum
}

// markFile is `draining/<pid>` beside the Unix socket, for who looks after the processes.
func markFile() string {
	return filepath.Join(filepath.Dir(os.Getenv(pathVariable)), "draining", fmt.Sprint(os.Getpid()))
}

// mark makes the file. A disk that takes nothing takes an empty one: its time of modification says until when, too.
func mark(limit time.Duration) {
	now := time.Now()
	until := now.Add(limit)
	text := fmt.Sprintf("{\"since\":%q,\"until\":%q}\n", now.UTC().Format(time.RFC3339Nano), until.UTC().Format(time.RFC3339Nano))
	err := os.WriteFile(markFile(), []byte(text), 0o600)
	if err = errors.Join(err, os.Chtimes(markFile(), now, until)); err != nil {
		logger().Warn("it may not be seen that this process is finishing", zap.Error(err))
	}
	caddy.OnExit(func(context.Context) { unmark() })
}

func unmark() { _ = os.Remove(markFile()) }
