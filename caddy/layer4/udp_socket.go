package layer4

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
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
	closed   bool
	// owners are the configurations that use the socket, the newest last: when it fails to start, it is the turn of
	// the one before again.
	owners []*App
}

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
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(receiveBuffer)
	s := &socket{conn: conn, local: conn.LocalAddr(), port: uint16(addr.Port), sessions: make(map[netip.AddrPort]*session)}
	go s.receive()
	return s, nil
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
	err := s.conn.Close()
	for _, one := range open {
		one.end()
	}
	return err
}

func (s *socket) receive() {
	buf := make([]byte, maxPacket)
	for {
		n, client, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// ICMP of an earlier answer, or no memory: the pause keeps a lasting error from spinning.
			time.Sleep(time.Millisecond)
			continue
		}
		s.sessionOf(client).send(buf[:n])
	}
}

func (s *socket) sessionOf(client netip.AddrPort) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sessions[client]
	if one == nil {
		one = &session{socket: s, client: client}
		one.touch()
		if s.closed || len(s.sessions) >= 4*maxSessions {
			one.ended = true
			return one
		}
		s.sessions[client] = one
		go one.run()
	}
	return one
}
