package listeners

import (
	"net"
	"time"
)

// Unread gives back to a connection what was read of it, before its server reads. A client that is not nil is the
// address that a PROXY header told. It returns false for a connection that is not of this package's network.
func Unread(other net.Conn, data []byte, client net.Addr) bool {
	c, ok := other.(*conn)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(data[:len(data):len(data)], c.left...)
	if client != nil {
		c.client = client
	}
	return true
}

// Told tells whether a PROXY header was read of the connection, by whichever configuration.
func Told(other net.Conn) bool {
	c, ok := other.(*conn)
	return ok && c.client != nil
}

// Served tells whether an older configuration has served HTTP/1.1 on the connection.
func Served(other net.Conn) bool {
	c, ok := other.(*conn)
	return ok && c.served
}

// HandOver gives a connection that nobody serves yet to a newer configuration, with what was given back to it. Without
// one it is closed.
func HandOver(other net.Conn) {
	c, ok := other.(*conn)
	if !ok {
		_ = other.Close()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.gone = true
	_ = c.tcp.SetDeadline(time.Time{})
	next := c.next()
	next.left = c.left
	go c.share.socket.hand(next, c.share)
}
