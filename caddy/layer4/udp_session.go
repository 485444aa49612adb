package layer4

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
)

const (
	// maxQueued are the packets of a client that wait while its target is looked up.
	maxQueued = 16
	// maxQueuedBytes bounds those of all clients: made-up client addresses must not fill the memory.
	maxQueuedBytes = 64 << 20
	// maxSessions is the default of table.Layer4.MaxConnections for UDP.
	maxSessions = 10_000
	// movedEvery is how often a session looks whether its target is still where it was.
	movedEvery = 2 * time.Second
)

// session is what one client sends and gets.
type session struct {
	socket *socket
	client netip.AddrPort
	last   atomic.Int64
	// stands is the session's place among the unproven ones; the socket's mu guards it.
	stands standing
	// answered: the target has answered.
	answered atomic.Bool
	// done is closed when the session has given back what it had.
	done chan struct{}

	mu     sync.Mutex
	queued [][]byte
	target *net.UDPConn
	out    syscall.RawConn // of target
	noted  *record
	ended  bool
}

func (s *session) touch() { s.last.Store(time.Now().UnixNano()) }

// send never waits: what a target cannot take is lost, as packets are.
func (s *session) send(packet []byte) {
	s.touch()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case s.out != nil:
		s.pass(packet)
	case len(s.queued) < maxQueued:
		if queuedBytes.Add(int64(len(packet))) > maxQueuedBytes {
			queuedBytes.Add(-int64(len(packet)))
			return
		}
		s.queued = append(s.queued, append([]byte(nil), packet...))
	}
}

// pass sends a packet on, if there is room in the socket's buffer: there may be none for long, as where a target does not
// answer ARP. mu is held.
func (s *session) pass(packet []byte) {
	s.noted.received.Add(uint64(len(packet)))
	_ = s.out.Write(func(fd uintptr) bool {
		_, _ = syscall.SendmsgN(int(fd), packet, nil, nil, syscall.MSG_DONTWAIT)
		return true
	})
}

// queuedBytes are those in the queues of all sessions.
var queuedBytes atomic.Int64

// dequeue empties the queue. mu is held.
func (s *session) dequeue() (packets [][]byte) {
	for _, packet := range s.queued {
		queuedBytes.Add(-int64(len(packet)))
	}
	packets, s.queued = s.queued, nil
	return packets
}

// end forgets the session; the client's next packet begins another.
func (s *session) end() {
	s.socket.mu.Lock()
	s.socket.forget(s)
	s.socket.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.dequeue()
	if s.target != nil {
		_ = s.target.Close()
	}
}

// run finds the target and copies its packets to the client until the session is idle.
func (s *session) run() {
	defer guard(caddy.Log(), func() error { return nil })
	defer close(s.done)
	sessionsOpen.Add(1)
	defer sessionsOpen.Add(-1)
	defer s.end()
	owner := s.socket.owner()
	row := app.HostTable().LookupPort("udp", s.socket.port, s.socket.local)
	if row == nil || owner == nil {
		return
	}
	options, counted := row.Layer4(), countOf(row)
	noted := recordOf(owner.app.Log(), row, s.client, s.socket.port, "")
	defer noted.end()
	if !options.Admits(s.client.Addr()) {
		counted.refused.Add(1)
		noted.refused()
		return
	}
	noted.bytesOf(counted)
	s.mu.Lock()
	s.noted = noted
	s.mu.Unlock()
	defer counted.enter(options.Protocol)()
	where := &dialer{row, "", counted, owner.app.Addresses(), &owner.app.Guard, s.client.Addr().Unmap()}
	to, err := s.connect(where, options)
	if errors.Is(err, errFull) && options.MaxConnections <= 0 && s.socket.makeRoom(s) {
		to, err = s.connect(where, options)
	}
	if err != nil {
		noted.failed(err)
		counted.fail(err)
		if suppressed, ok := warnings.Allow(row.ID()); ok {
			owner.logger.Warn("packet has no target", zap.String("rule", row.ID()), zap.String("ingress", row.Ingress()),
				zap.String("reason", err.Error()), zap.Uint32("suppressed", suppressed))
		}
		return
	}
	defer to.leave()
	noted.reached(to)
	if err := s.answer(to, options.Idle()); err != nil {
		noted.failed(err)
		to.fail(err)
		counted.fail(err)
	}
}

func (s *session) connect(where *dialer, options *table.Layer4) (*destination, error) {
	ctx, cancel := context.WithTimeout(context.Background(), options.Connect())
	defer cancel()
	limit := options.MaxConnections
	if limit <= 0 {
		limit = s.socket.atTarget
	}
	return where.reach(ctx, limit, func(dial string, _ bool) error {
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(dial)))
		if err != nil {
			return err
		}
		out, err := conn.SyscallConn()
		if err != nil {
			_ = conn.Close()
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.target, s.out = conn, out
		for _, packet := range s.dequeue() {
			s.pass(packet)
		}
		if s.ended {
			_ = conn.Close()
		}
		return nil
	})
}

var packets = sync.Pool{New: func() any { return new([maxPacket]byte) }}

// answer copies from the target to the client. It returns nil when the session has been idle, or the target has moved:
// the client's next packet finds the new place.
func (s *session) answer(to *destination, idle time.Duration) error {
	look := time.Now().Add(movedEvery)
	for {
		until := time.Unix(0, s.last.Load()).Add(idle)
		if look.Before(until) {
			until = look
		}
		_ = s.target.SetReadDeadline(until)
		err := s.forward()
		if now := time.Now(); !now.Before(look) {
			if to.moved() {
				return nil
			}
			look = now.Add(movedEvery)
		}
		switch {
		case err == nil:
			s.touch()
			to.dialer.rule.pool.Succeed(to.dial)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if time.Since(time.Unix(0, s.last.Load())) >= idle {
				return nil
			}
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			// The target's machine says that nobody listens (ICMP): the next packet has a target looked up again.
			return err
		}
	}
}

// forward takes what has come from the target and sends it on. It has a buffer only when there is something to
// read, so that thousands of quiet sessions share a few.
func (s *session) forward() error {
	var n int
	var failure error
	var buf *[maxPacket]byte
	err := s.out.Read(func(fd uintptr) bool {
		buf = packets.Get().(*[maxPacket]byte)
		n, _, failure = syscall.Recvfrom(int(fd), buf[:], syscall.MSG_DONTWAIT)
		if errors.Is(failure, syscall.EAGAIN) || errors.Is(failure, syscall.EINTR) {
			packets.Put(buf)
			buf = nil
			return false
		}
		return true
	})
	if buf != nil {
		defer packets.Put(buf)
	}
	if err == nil {
		err = failure
	}
	if err != nil {
		return err
	}
	s.noted.sent.Add(uint64(n))
	s.answered.Store(true)
	_, _ = s.socket.conn.WriteToUDPAddrPort(buf[:n], s.client)
	return nil
}
