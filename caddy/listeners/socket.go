package listeners

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gatewright.dev/caddy/handover"
)

// socket is the process's one listener of an address.
type socket struct {
	host, port string
	listener   *net.TCPListener
	// users are the shares, the newest last. Guarded by mu.
	users []*share
	// changed is closed when users, or which of them accept, change. Guarded by mu.
	changed chan struct{}
	// withdraw ends that the socket goes to a successor of this process.
	withdraw func()
	// ended is done when the socket is closed.
	ended context.Context
	end   context.CancelFunc
}

var (
	mu      sync.Mutex
	sockets = make(map[string]*socket)
)

// open makes the share one of its address's socket, which it opens where there is none.
func (s *share) open(ctx context.Context, host, port string) error {
	// Held throughout: another configuration's server may be closing the socket at this moment.
	mu.Lock()
	defer mu.Unlock()
	address := net.JoinHostPort(host, port)
	at := sockets[address]
	if at == nil {
		listener, err := bind(ctx, address, overlaps(host, port))
		if err != nil {
			return err
		}
		at = &socket{host: host, port: port, listener: listener, changed: make(chan struct{})}
		at.ended, at.end = context.WithCancel(context.Background())
		at.withdraw = handover.Offer("tcp", address, listener)
		sockets[address] = at
		go at.accept()
	}
	s.socket = at
	at.users = append(at.users, s)
	at.hasChanged()
	return nil
}

// overlaps are our sockets that the kernel takes to be in the way: one of all addresses and one of a single one.
// mu is held.
func overlaps(host, port string) (found []*socket) {
	for _, other := range sockets {
		if other.port == port && (isWide(host) || isWide(other.host)) {
			found = append(found, other)
		}
	}
	return found
}

func isWide(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// bind opens the listener. While a configuration goes from all addresses to a single one both are open, which the
// kernel allows sockets that share the port; they do so for that moment only.
func bind(ctx context.Context, address string, overlapping []*socket) (*net.TCPListener, error) {
	if file := handover.Inherit("tcp", address); file != nil {
		defer file.Close()
		listener, err := net.FileListener(file)
		if err != nil {
			return nil, err
		}
		return listener.(*net.TCPListener), nil
	}
	config := net.ListenConfig{KeepAlive: -1}
	if len(overlapping) > 0 {
		for _, other := range overlapping {
			defer func() { _ = setReusePort(other.listener, 0) }()
			if err := setReusePort(other.listener, 1); err != nil {
				return nil, err
			}
		}
		config.Control = func(_, _ string, raw syscall.RawConn) error { return setOption(raw, 1) }
	}
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := listener.(*net.TCPListener)
	if len(overlapping) > 0 {
		if err := setReusePort(tcp, 0); err != nil {
			tcp.Close()
			return nil, err
		}
	}
	return tcp, nil
}

func setReusePort(listener *net.TCPListener, value int) error {
	raw, err := listener.SyscallConn()
	if err != nil {
		return err
	}
	return setOption(raw, value)
}

func setOption(raw syscall.RawConn, value int) (err error) {
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, value)
	})
	return errors.Join(controlErr, err)
}

// begin notes that a server accepts from the share.
func (at *socket) begin(s *share) {
	mu.Lock()
	defer mu.Unlock()
	s.accepting = true
	at.hasChanged()
}

// remove takes a share away, and closes the socket with the last.
func (at *socket) remove(s *share) error {
	mu.Lock()
	defer mu.Unlock()
	at.users = slices.DeleteFunc(at.users, func(user *share) bool { return user == s })
	at.hasChanged()
	if len(at.users) > 0 {
		return nil
	}
	delete(sockets, net.JoinHostPort(at.host, at.port))
	at.withdraw()
	at.end()
	// A successor of this process may have it.
	if err := at.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// hasChanged wakes those that have a connection to hand over. mu is held.
func (at *socket) hasChanged() {
	close(at.changed)
	at.changed = make(chan struct{})
}

// hasOther tells whether a configuration other than that of s has a share, or a successor of this process.
func (at *socket) hasOther(s *share) bool {
	if handover.IsDraining() {
		return true
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.ContainsFunc(at.users, func(user *share) bool { return user != s })
}

// accept hands connections over until the socket is closed.
func (at *socket) accept() {
	for {
		if handover.Await(at.ended) != nil {
			return
		}
		tcp, err := at.listener.AcceptTCP()
		switch {
		case err == nil:
			c := &conn{tcp: tcp, above: tcp}
			c.enter()
			at.hand(c, nil)
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			// A process takes over.
		default:
			// Out of file descriptors, mostly.
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// hand gives a connection to the newest configuration that accepts, but not to the one that it comes from, and waits
// for one. Without any user it is closed.
func (at *socket) hand(c *conn, from *share) {
	if from != nil && c.toSuccessor(at) {
		c.exit()
		return
	}
	for {
		mu.Lock()
		var newest *share
		others := 0
		for _, user := range at.users {
			if user == from {
				continue
			}
			others++
			if user.accepting {
				newest = user
			}
		}
		changed := at.changed
		mu.Unlock()
		if others == 0 {
			_ = c.close()
			return
		}
		var conns chan *conn
		if newest != nil {
			conns = newest.conns
		}
		select {
		case conns <- c:
			return
		case <-changed:
		}
	}
}
