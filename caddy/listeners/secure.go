package listeners

import (
	"crypto/tls"
	"net"
)

// secured is a connection of TLS whose handshake is done.
type secured struct {
	conn  *tls.Conn
	state tls.ConnectionState
}

// Secure is a connection of the network with TLS on it, whose handshake is done. It can be handed over, and so can
// HTTP/1.1 on it, since the state of TLS is the connection's and no server's. Its requests learn of TLS from Take.
func Secure(below net.Conn, above *tls.Conn) net.Conn {
	c, ok := below.(*conn)
	if !ok {
		return above
	}
	return &conn{
		tcp: c.tcp, share: c.share, client: c.client, above: above,
		secured: &secured{above, above.ConnectionState()},
	}
}

// ForServer is the connection as a server wants it: with a protocol that is no HTTP/1.1 the connection of TLS itself, by
// which servers know HTTP/2.
func ForServer(other net.Conn) net.Conn {
	c, ok := other.(*conn)
	if !ok || c.secured == nil {
		return other
	}
	switch c.secured.state.NegotiatedProtocol {
	case "", "http/1.1", "http/1.0":
		return other
	}
	return c.secured.conn
}

// IsSecured tells whether the handshake of TLS was done, by whichever configuration.
func IsSecured(other net.Conn) bool {
	c, ok := other.(*conn)
	return ok && c.secured != nil
}
