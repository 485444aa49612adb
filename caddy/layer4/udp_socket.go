package layer4

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/handover"
)

const (
	// maxPacket is the largest payload of a UDP packet.
	maxPacket = 65507
	// receiveBuffer is asked of the system, so that a burst survives a pause of the process.
	receiveBuffer = 4 << 20
)

// socket is one that listens, with its sessions.
type socket struct {
	conn  *net.UDPConn
	local net.Addr
	port  uint16

	mu       sync.Mutex
	sessions map[netip.AddrPort]*session
	room     room
	// most is how many sessions there may be.
	most func() int
	// atTarget is how many sessions one address of a target has, where its rule does not say.
	atTarget int64
	closed   bool
	// withdraw ends that the socket goes to a successor of this process.
	withdraw func()
	// open is done when the socket is closed.
	open  context.Context
	close context.CancelFunc
	// owners are the configurations that use the socket, the newest last: when it fails to start, it is the turn of
	// the one before again.
	owners []*App
}

// sessionsOpen is how many sessions this process has.
var sessionsOpen atomic.Int64

func init() { handover.Busy(func() int { return int(sessionsOpen.Load()) }) }

func (s *socket) own(u *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners = append(s.owners, u)
}

func (s *socket) disown(u *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners = slices.DeleteFunc(s.owners, func(other *App) bool { return other == u })
}

// owner is the configuration whose resolver and guard new sessions use; nil when there is none.
func (s *socket) owner() *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.owners) == 0 {
		return nil
	}
	return s.owners[len(s.owners)-1]
}

func openSocket(listen string) (*socket, error) {
	addr, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return nil, err
	}
	conn, err := listenUDP(listen, addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(receiveBuffer)
	s := &socket{
		conn: conn, local: conn.LocalAddr(), port: uint16(addr.Port), sessions: make(map[netip.AddrPort]*session), most: sessionsOfPort,
		atTarget: maxSessions,
	}
	openSockets.Add(1)
	s.withdraw = handover.Offer("udp", listen, conn)
	s.open, s.close = context.WithCancel(context.Background())
	go s.receive()
	go s.retire()
	return s, nil
}

// retire closes the socket once a successor of this process has it and the answers to earlier packets have been sent: a
// process that is draining for long would be in the way of the next one, should its successor die.
func (s *socket) retire() {
	select {
	case <-s.open.Done():
		return
	case <-handover.Draining():
	}
	for s.count() > 0 {
		select {
		case <-s.open.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = s.conn.Close()
}

func (s *socket) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// listenUDP takes the socket of the process before this one, where that has it.
func listenUDP(listen string, addr *net.UDPAddr) (*net.UDPConn, error) {
	file := handover.Inherit("udp", listen)
	if file == nil {
		return net.ListenUDP("udp", addr)
	}
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// Destruct closes the socket and ends its sessions (caddy.Destructor).
func (s *socket) Destruct() error {
	s.mu.Lock()
	s.closed = true
	open := make([]*session, 0, len(s.sessions))
	for _, one := range s.sessions {
		open = append(open, one)
	}
	s.mu.Unlock()
	openSockets.Add(-1)
	s.withdraw()
	s.close()
	err := s.conn.Close()
	for _, one := range open {
		one.end()
	}
	if errors.Is(err, net.ErrClosed) {
		// A successor has it.
		return nil
	}
	return err
}

func (s *socket) receive() {
	buf := make([]byte, maxPacket)
	for handover.Await(s.open) == nil {
		n, client, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			// Another process takes over: the packets that come are its.
			continue
		}
		if err != nil {
			// ICMP of an earlier answer, or no memory: the pause keeps a lasting error from spinning.
			time.Sleep(time.Millisecond)
			continue
		}
		s.sessionOf(client).send(buf[:n])
	}
}

// sessionOf is the session of a client, which may be a new one.
func (s *socket) sessionOf(client netip.AddrPort) *session {
	one, instead := s.take(client)
	if instead != nil {
		evictions.Inc()
		instead.end()
	}
	return one
}

// take returns the client's session, and the one that makes room for it.
func (s *socket) take(client netip.AddrPort) (one, instead *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.sessions[client]; one != nil {
		s.room.hear(one)
		return one, nil
	}
	one = &session{socket: s, client: client, done: make(chan struct{})}
	one.touch()
	most := s.most()
	of := s.room.of(client)
	var crowded *list.List
	switch {
	case of != nil && of.sessions >= max(most/clientShare, 1):
		crowded = &of.unproven
	case len(s.sessions) >= most:
		crowded = &s.room.unproven
	}
	if crowded != nil {
		instead = oldest(crowded)
	}
	if s.closed || crowded != nil && instead == nil {
		one.ended = true
		return one, nil
	}
	if instead != nil {
		s.forget(instead)
	}
	s.sessions[client] = one
	s.room.add(one)
	go one.run()
	return one, instead
}

// forget takes a session away. mu is held.
func (s *socket) forget(one *session) {
	if s.sessions[one.client] == one {
		delete(s.sessions, one.client)
		s.room.remove(one)
	}
}

// makeRoom ends the unproven session that was silent longest, but not the one that asks, and waits until it has given
// back what it had. False when there is none.
func (s *socket) makeRoom(asks *session) bool {
	s.mu.Lock()
	instead := oldest(&s.room.unproven)
	if instead == asks {
		instead = nil
	}
	if instead != nil {
		s.forget(instead)
	}
	s.mu.Unlock()
	if instead == nil {
		return false
	}
	evictions.Inc()
	instead.end()
	select {
	case <-instead.done:
	case <-time.After(time.Second):
		// It waits for its target's address, and has none yet.
	}
	return true
}
