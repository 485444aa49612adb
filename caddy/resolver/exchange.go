package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// attemptTimeout is the wait for an answer before the question is sent again.
	attemptTimeout = 300 * time.Millisecond
	// attempts is how often a question is sent before it counts as failed: a server that restarts is away for some
	// seconds, and a request for a name that is not known yet waits for it.
	attempts = 15
	// streamTimeout bounds a question over TCP.
	streamTimeout = 2 * time.Second
)

var (
	ErrNoAnswer = errors.New("no answer from the DNS server")
	errClosed   = errors.New("the resolver is closed")
	errName     = errors.New("not a domain name")
)

// answer is what the DNS says of a name: addresses, or none.
type answer struct {
	addrs []netip.Addr
	ttl   time.Duration
	// exists is false for NXDOMAIN.
	exists bool
}

// exchanger asks one DNS server. All questions share one UDP socket and are told apart by their ids
// (RFC 5452 section 9: random ids, and an answer counts only when it repeats the question).
type exchanger struct {
	server   string
	attempts int

	mu      sync.Mutex
	conn    net.Conn
	pending map[uint16]*question
	closed  bool
	// done is closed with the exchanger. The replies' channels never are: an answer may be on its way into one.
	done chan struct{}
}

type question struct {
	dnsmessage.Question
	packet []byte
	reply  chan []byte
}

func newExchanger(server string) *exchanger {
	return &exchanger{server: server, attempts: attempts, pending: make(map[uint16]*question), done: make(chan struct{})}
}

// lookup asks for A, and for AAAA when there is no A (an instance has one address as a rule, and mostly IPv4).
func (e *exchanger) lookup(ctx context.Context, name string) (answer, error) {
	found, err := e.ask(ctx, name, dnsmessage.TypeA)
	if err != nil || !found.exists || len(found.addrs) > 0 {
		return found, err
	}
	return e.ask(ctx, name, dnsmessage.TypeAAAA)
}

func (e *exchanger) ask(ctx context.Context, name string, kind dnsmessage.Type) (answer, error) {
	encoded, err := dnsmessage.NewName(name)
	if err != nil {
		return answer{}, errName
	}
	q := &question{
		Question: dnsmessage.Question{Name: encoded, Type: kind, Class: dnsmessage.ClassINET},
		reply:    make(chan []byte, 1),
	}
	message := dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{q.Question}}
	if q.packet, err = message.Pack(); err != nil {
		return answer{}, errName
	}
	reply, err := e.exchange(ctx, q)
	if err != nil {
		return answer{}, err
	}
	found, truncated, err := parse(reply, q)
	if truncated {
		if reply, err = e.stream(ctx, q); err != nil {
			return answer{}, err
		}
		found, _, err = parse(reply, q)
	}
	return found, err
}

// exchange sends the question over UDP until an answer comes.
func (e *exchanger) exchange(ctx context.Context, q *question) ([]byte, error) {
	id, err := e.register(q)
	if err != nil {
		return nil, err
	}
	defer e.unregister(id)
	timer := time.NewTimer(attemptTimeout)
	defer timer.Stop()
	var sendErr error
	for range e.attempts {
		timer.Reset(attemptTimeout)
		sendErr = e.send(q.packet)
		select {
		case reply := <-q.reply:
			return reply, nil
		case <-e.done:
			return nil, errClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
	if sendErr != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, sendErr)
	}
	return nil, ErrNoAnswer
}

func (e *exchanger) register(q *question) (uint16, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, errClosed
	}
	// There are far fewer questions (maxQuestions) than ids, so that a free one is found at once.
	for {
		id := uint16(rand.Uint32())
		if _, taken := e.pending[id]; !taken {
			e.pending[id] = q
			binary.BigEndian.PutUint16(q.packet, id)
			return id, nil
		}
	}
}

func (e *exchanger) unregister(id uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, id)
}

// send writes the packet, on a new socket when there is none.
func (e *exchanger) send(packet []byte) error {
	e.mu.Lock()
	conn := e.conn
	if conn == nil && !e.closed {
		var err error
		// Connected, so that packets from elsewhere do not arrive, and a closed port is known at once.
		if conn, err = net.Dial("udp", e.server); err != nil {
			e.mu.Unlock()
			return err
		}
		e.conn = conn
		go e.receive(conn)
	}
	e.mu.Unlock()
	if conn == nil {
		return errClosed
	}
	_, err := conn.Write(packet)
	return err
}

// receive hands the answers of a socket to those who asked, until the socket is closed.
func (e *exchanger) receive(conn net.Conn) {
	buf := make([]byte, 65535)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// ECONNREFUSED from an earlier packet (ICMP): the server may be restarting, the questions are sent again.
			// The pause keeps another, lasting error from spinning.
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if n < 12 {
			continue
		}
		packet := append([]byte(nil), buf[:n]...)
		e.mu.Lock()
		q := e.pending[binary.BigEndian.Uint16(packet)]
		e.mu.Unlock()
		if q == nil || !repeats(packet, q) {
			continue
		}
		select {
		case q.reply <- packet:
		default: // answered already
		}
	}
}

// stream asks over TCP (RFC 7766): for answers that do not fit a packet.
func (e *exchanger) stream(ctx context.Context, q *question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(q.packet)))
	if _, err := conn.Write(append(framed, q.packet...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return nil, err
	}
	if len(reply) < 12 || binary.BigEndian.Uint16(reply) != binary.BigEndian.Uint16(q.packet) || !repeats(reply, q) {
		return nil, errors.New("the DNS server answered another question")
	}
	return reply, nil
}

func (e *exchanger) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	close(e.done)
	if e.conn != nil {
		_ = e.conn.Close()
	}
}
