package listeners

import (
	"bytes"
	"net"
	"time"
)

// tellsWithin is how soon a server tells the state of a connection that it has closed while a handler had it. One that
// tells none has not ended the handling: it was made to close its connections (http.Server.Close).
const tellsWithin = time.Second

// Close closes the connection, or has it leave when the server owes nothing to the client and another configuration
// listens: only a server that shuts down closes such a connection.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return nil
	case !c.followed || c.spent || !c.share.socket.hasOther(c.share):
		c.spend()
		return c.close()
	case c.taken:
		// Either the server is done with it, or one that shuts down found it idle before idle was called. The
		// state that comes next tells.
		c.closing = true
		time.AfterFunc(tellsWithin, c.end)
		return nil
	}
	return c.goAway()
}

// goAway has a connection leave on which nothing is owed to the client. mu is held.
func (c *conn) goAway() error {
	c.gone = true
	if c.reading {
		// The read ends, and lets it leave.
		return c.tcp.SetReadDeadline(time.Unix(1, 0))
	}
	c.leave()
	return nil
}

// close closes the connection for good.
func (c *conn) close() error {
	c.exit()
	return c.above.Close()
}

// next is the connection for a newer configuration.
func (c *conn) next() *conn {
	next := &conn{tcp: c.tcp, above: c.above, secured: c.secured, client: c.client, asked: c.asked, served: c.served}
	next.enter()
	c.exit()
	return next
}

// leave hands the connection to a newer configuration. mu is held.
func (c *conn) leave() {
	next := c.next()
	next.served, next.left = true, bytes.TrimLeft(append(c.kept, c.left...), "\r\n")
	if len(next.left) == 0 {
		next.resumed, next.deadline = true, c.deadline
	}
	_ = c.tcp.SetReadDeadline(next.deadline)
	_ = c.tcp.SetWriteDeadline(time.Time{})
	go c.share.socket.hand(next, c.share)
}

// CloseWrite ends what is sent, and lets the client go on sending.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return net.ErrClosed
	}
	c.spend()
	return c.above.(interface{ CloseWrite() error }).CloseWrite()
}
