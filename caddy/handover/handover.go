// Package handover gives the listening sockets of a running process to its successor, so that a program is replaced
// without a moment in which nobody listens (Envoy's hot restart, HAProxy's expose-fd listeners).
//
// Each process listens on the Unix socket that GATEWRIGHT_HANDOVER names. One that starts with the same name finds its
// predecessor there:
//
//	successor                          predecessor
//	hello                         →
//	                              ←    its listening sockets, as descriptors (SCM_RIGHTS, unix(7))
//	(loads its configuration)          (serves)
//	ready                         →
//	                              ←    stopped: it accepts nothing more
//	accepting                     →
//	(accepts, is found at the socket)
//	placed                        →
//	                              ←    connections that wait for their next request, as descriptors, until it ends
//
// Connections that come between "stopped" and "accepting" wait in the kernel's queue, which belongs to the socket and not
// to a process. Where either side ends, or says nothing for long, the other serves: a successor that was never ready has
// taken nothing, and a predecessor that is gone has left its sockets.
package handover

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pathVariable is the environment's name of the Unix socket. Without it nothing is handed over.
	pathVariable = "GATEWRIGHT_HANDOVER"
	// drainVariable bounds what the predecessor may take to finish what it has, such as "10m". Default: drainTime.
	drainVariable = "GATEWRIGHT_DRAIN_TIMEOUT"

	drainTime = 10 * time.Minute
	// answerTime is how long either side waits for the other's answer, which takes milliseconds.
	answerTime = 5 * time.Second
	// loadTime is how long a successor may load its configuration; others wait meanwhile.
	loadTime = 2 * time.Minute
	// maxMessage is larger than what is kept of a request that nobody handles yet, in base64.
	maxMessage = 128 << 10
)

// Listening is a socket that a successor gets: a *net.TCPListener or *net.UDPConn.
type Listening interface {
	syscall.Conn
	SetDeadline(time.Time) error
	Close() error
}

type address struct{ network, text string }

var (
	mu      sync.Mutex
	offered = make(map[address]Listening)
	// inherited are the predecessor's sockets that nobody has asked for. Guarded by mu.
	inherited map[address]*os.File
	// open is closed while this process may accept.
	open atomic.Pointer[chan struct{}]
	// whenInPlace are called when this process has its predecessor's place; inPlace tells that it has, or had none: without
	// a predecessor that is before its first configuration has started, with one it is when serving is closed.
	// Both guarded by mu.
	whenInPlace []func()
	inPlace     bool
	serving     = make(chan struct{})
	// draining is closed when a successor accepts in this process's place.
	draining = make(chan struct{})
	begin    sync.Once
)

func init() {
	may := make(chan struct{})
	close(may)
	open.Store(&may)
}

// hold has this process accept nothing until the function that it returns is called.
func hold() (release func()) {
	may := make(chan struct{})
	open.Store(&may)
	return func() { close(may) }
}

// Inherit is the predecessor's socket of an address, which the caller closes after use; nil when there is none.
func Inherit(network, text string) *os.File {
	begin.Do(join)
	mu.Lock()
	defer mu.Unlock()
	key := address{network, text}
	file := inherited[key]
	delete(inherited, key)
	return file
}

// Offer notes a socket that a successor gets. Withdraw it before it is closed.
func Offer(network, text string, socket Listening) (withdraw func()) {
	key := address{network, text}
	mu.Lock()
	defer mu.Unlock()
	offered[key] = socket
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if offered[key] == socket {
			delete(offered, key)
		}
	}
}

// Await waits until this process may accept, and has to be asked before each Accept that follows one that met a deadline.
// It returns an error when ctx ends first.
func Await(ctx context.Context) error {
	begin.Do(join)
	select {
	case <-*open.Load():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Serving is closed when this process runs its first configuration whole, in its predecessor's place where it has one: who is
// asked to come back finds its servers from then on.
func Serving() <-chan struct{} {
	begin.Do(join)
	return serving
}

// WhenInPlace calls back when this process has its predecessor's place: at once when it never had a predecessor.
func WhenInPlace(call func()) {
	begin.Do(join)
	mu.Lock()
	defer mu.Unlock()
	if inPlace {
		call()
		return
	}
	whenInPlace = append(whenInPlace, call)
}

// Draining is closed when a successor accepts in this process's place: it then finishes what it has.
func Draining() <-chan struct{} { return draining }

// IsDraining tells the same.
func IsDraining() bool {
	select {
	case <-draining:
		return true
	default:
		return false
	}
}

// message is what both sides say. A descriptor comes with it where that is its sense.
type message struct {
	Kind string `json:"kind"`
	// Network and Address name a socket, and the one that a connection came to.
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	// Drain bounds the finishing of the predecessor.
	Drain time.Duration `json:"drain,omitempty"`
	// Connection is for the package that has connections.
	Connection json.RawMessage `json:"connection,omitempty"`
}

const (
	hello      = "hello"
	socketOf   = "socket"
	allSockets = "all"
	ready      = "ready"
	stopped    = "stopped"
	accepting  = "accepting"
	placed     = "placed"
	connection = "connection"
)

// peer is the other process. Its messages keep their bounds (SOCK_SEQPACKET).
type peer struct {
	conn *net.UnixConn
	mu   sync.Mutex
	// buffer is where one message after another is received: by one goroutine at a time.
	buffer []byte
}

// send sends a message, with the descriptor of a socket unless that is nil.
func (p *peer) send(m message, of syscall.Conn) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.conn.SetWriteDeadline(time.Now().Add(answerTime))
	if of == nil {
		_, _, err = p.conn.WriteMsgUnix(text, nil, nil)
		return err
	}
	raw, err := of.SyscallConn()
	if err != nil {
		return err
	}
	// File() would make another descriptor, whose mode is that of this one.
	controlErr := raw.Control(func(fd uintptr) {
		_, _, err = p.conn.WriteMsgUnix(text, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(controlErr, err)
}

// receive is the next message within a time, 0 for any, and its descriptor or nil.
func (p *peer) receive(within time.Duration) (m message, file *os.File, err error) {
	var deadline time.Time
	if within > 0 {
		deadline = time.Now().Add(within)
	}
	_ = p.conn.SetReadDeadline(deadline)
	if p.buffer == nil {
		p.buffer = make([]byte, maxMessage)
	}
	control := make([]byte, unix.CmsgSpace(4))
	n, controls, flags, _, err := p.conn.ReadMsgUnix(p.buffer, control)
	if err != nil {
		return m, nil, err
	}
	if controls > 0 {
		file = descriptor(control[:controls])
	}
	if n == 0 || flags&unix.MSG_TRUNC != 0 {
		err = errors.New("the other process has ended or sent too much")
	} else {
		err = json.Unmarshal(p.buffer[:n], &m)
	}
	if err != nil && file != nil {
		file.Close()
		file = nil
	}
	return m, file, err
}

// descriptor is the one that came with a message.
func descriptor(control []byte) *os.File {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return nil
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "inherited")
}

// expect is the next message, of one kind.
func (p *peer) expect(kind string) (message, error) { return p.expectWithin(kind, answerTime) }

func (p *peer) expectWithin(kind string, within time.Duration) (message, error) {
	m, file, err := p.receive(within)
	if file != nil {
		file.Close()
	}
	if err == nil && m.Kind != kind {
		err = errors.New("the other process said " + m.Kind + " instead of " + kind)
	}
	return m, err
}
