package listeners

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"gatewright.dev/caddy/handover"
	"gatewright.dev/caddy/internal/crowd"
	"gatewright.dev/caddy/internal/netaddr"
)

// maxKept bounds what is kept of a request whose handling has not begun.
const maxKept = 64 << 10

// idleAtMost is how long a connection is idle that leaves before its server has said how long; Caddy's default.
const idleAtMost = 5 * time.Minute

// conn is a TCP connection that can leave a server which shuts down. That server sees it closed.
//
// It can leave only between an answer and the handling of the next request: then all that the server knows are the
// bytes in kept. Where their beginning is not certain (chunked bodies, HTTP/2, answers that our handler did not give) it
// never leaves.
type conn struct {
	tcp   *net.TCPConn
	share *share
	// above is what is read and written: the TCP connection, or TLS on it.
	above net.Conn
	// secured is TLS, whose handshake is done; nil without it. Its state outlives servers, as the connection does.
	secured *secured
	// client is the address that a PROXY header told; nil without one.
	client net.Addr
	// silent is the connection's place until its first request; nil without one.
	silent *crowd.Place
	// asked: it has had a request.
	asked bool
	// served: an older configuration's server had it, so that HTTP/1.1 comes on it.
	served bool

	mu sync.Mutex
	// followed: the server reads the connection itself, see Follow.
	followed bool
	// spent: it cannot leave any more.
	spent bool
	// gone: it has left, and is another conn of a newer configuration.
	gone bool
	// taken: a handler has begun and the answer has not ended.
	taken bool
	// reading: a Read waits for the client.
	reading bool
	// left is what an older server read and did not handle, to be read first.
	left []byte
	// kept is what was read of the next request, which no handler has.
	kept []byte
	// owed is how many bytes of the present request's body were not read.
	owed int64
	// closing: closed while taken; whether the answer had ended is told afterwards.
	closing bool
	// deadline is the server's for reads.
	deadline time.Time
	// resumed: idle when it left the older server, whose deadline holds until the client sends; wait is the time
	// that the newer server gives from then on.
	resumed bool
	wait    time.Duration
}

func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if len(c.left) > 0 {
		defer c.mu.Unlock()
		n := copy(p, c.left)
		c.left = c.left[n:]
		c.note(p[:n], nil)
		return n, nil
	}
	c.reading = true
	c.mu.Unlock()
	n, err := c.above.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if c.gone {
		c.kept = append(c.kept, p[:n]...)
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			c.leave()
		} else {
			_ = c.close()
		}
		return 0, net.ErrClosed
	}
	if c.resumed && n > 0 {
		c.resumed = false
		c.deadline = time.Time{}
		if c.wait > 0 {
			c.deadline = time.Now().Add(c.wait)
		}
		_ = c.tcp.SetReadDeadline(c.deadline)
	}
	c.note(p[:n], err)
	return n, err
}

// note keeps account of what was read. mu is held.
func (c *conn) note(data []byte, err error) {
	if !c.followed || c.spent {
		return
	}
	// A server ends its wait for the client to go away by a deadline, while a handler runs.
	if err != nil && !(c.taken && errors.Is(err, os.ErrDeadlineExceeded)) {
		c.spend()
		return
	}
	body := min(c.owed, int64(len(data)))
	c.owed -= body
	data = data[body:]
	if len(c.kept)+len(data) > maxKept {
		c.spend()
		return
	}
	c.kept = append(c.kept, data...)
}

func (c *conn) spend() {
	c.spent = true
	c.kept = nil
}

// arrive gives the connection a place among those that have sent no request.
func (c *conn) arrive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		port, client := netaddr.Of(c.LocalAddr()).Port(), netaddr.Of(c.RemoteAddr()).Addr()
		c.silent = crowd.Silent().Enter(port, client, func() { _ = c.tcp.Close() })
	}
}

// speak gives the place back.
func (c *conn) speak() {
	c.mu.Lock()
	place := c.silent
	c.silent = nil
	c.mu.Unlock()
	if place != nil {
		place.Leave()
	}
}

// take notes that a handler begins with the request whose body has length bytes, -1 for unknown. False: the
// connection has left, and the request will be handled by another configuration.
func (c *conn) take(length int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	c.asked = true
	if c.spent {
		return true
	}
	// Before a request after a POST the server passes over empty lines.
	request := bytes.TrimLeft(c.kept, "\r\n")
	head := headLength(request)
	if c.taken || length < 0 || head == 0 {
		c.spend()
		return true
	}
	c.taken = true
	body := min(length, int64(len(request)-head))
	c.owed = length - body
	next := request[head+int(body):]
	if cap(c.kept) > 4<<10 {
		c.kept = nil
	}
	c.kept = append(c.kept[:0], next...)
	return true
}

// idle notes that the answer has ended.
func (c *conn) idle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.spent || c.gone:
	case !c.taken || c.owed > 0:
		// Answered without our handler, or without all of the body.
		c.spend()
	default:
		c.taken = false
		// Until the server sets its idle timeout: none, or that of the request, would hold after leaving.
		c.deadline = time.Now().Add(idleAtMost)
		if c.closing || handover.IsDraining() && c.secured == nil {
			c.gone = true
			c.leave()
		}
	}
}

// end closes a connection whose server has closed it for good.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing && !c.gone {
		_ = c.close()
	}
}

// hijacked notes that a handler has the connection.
func (c *conn) hijacked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spend()
}

// headLength is the length of a request's line and headers with the empty line; 0 when it has no plain end: lines
// that end in LF alone, which net/http takes too, would make it ambiguous.
func headLength(data []byte) int {
	i := bytes.Index(data, []byte("\n\r\n"))
	if i < 1 || data[i-1] != '\r' || bytes.Contains(data[:i], []byte("\n\n")) {
		return 0
	}
	return i + 3
}

func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if c.followed && !c.taken && !c.spent {
		c.spend()
	}
	c.mu.Unlock()
	return c.above.Write(p)
}

func (c *conn) LocalAddr() net.Addr { return c.tcp.LocalAddr() }

// RemoteAddr is the client's address, as a PROXY header told it or as the connection has it.
func (c *conn) RemoteAddr() net.Addr {
	if c.client != nil {
		return c.client
	}
	return c.tcp.RemoteAddr()
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	c.resumed = c.resumed && c.followed
	if c.resumed {
		c.wait = 0
		if !t.IsZero() {
			c.wait = time.Until(t)
		}
		return nil
	}
	c.deadline = t
	return c.tcp.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	return c.tcp.SetWriteDeadline(t)
}

// Raw is the TCP connection below one of ours, for whoever copies in the kernel; other connections are returned as
// they are.
func Raw(other net.Conn) net.Conn {
	c, ok := other.(*conn)
	if !ok {
		return other
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.followed || c.secured != nil || len(c.left) > 0 {
		return other
	}
	return c.tcp
}
