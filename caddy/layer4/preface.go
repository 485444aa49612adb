package layer4

import (
	"errors"
	"io"
	"net"
	"time"

	"gatewright.dev/caddy/listeners"
)

// firstRead is the room for the first bytes of a connection; it grows up to maxHello.
const firstRead = 2 << 10

// preface is the begin of a connection, read to find out where it goes. Its bytes belong to the connection alone: with a
// buffer that others use afterwards, clients would get each other's answers.
type preface struct {
	conn net.Conn
	data []byte
	// client and local are the addresses that a PROXY header told, else the connection's own.
	client, local net.Addr
	// told: a PROXY header was read, whatever it told. What follows is the client's own, and no other header is read of it.
	told bool
}

func newPreface(conn net.Conn) *preface {
	return &preface{conn: conn, client: conn.RemoteAddr(), local: conn.LocalAddr(), told: listeners.Told(conn)}
}

// more reads once. The deadline is the connection's.
func (p *preface) more() error {
	if len(p.data) >= maxHello {
		return errHello
	}
	if len(p.data) == cap(p.data) {
		grown := make([]byte, len(p.data), min(max(firstRead, 2*len(p.data)), maxHello))
		copy(grown, p.data)
		p.data = grown
	}
	n, err := p.conn.Read(p.data[len(p.data):cap(p.data)])
	p.data = p.data[:len(p.data)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// interrupt ends reading.
func (p *preface) interrupt() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) }

// readServerName reads until the name is known that the client asks for.
func (p *preface) readServerName() (string, error) {
	var hello helloReader
	for {
		name, err := hello.name(p.data)
		if !errors.Is(err, errShort) {
			return name, err
		}
		if err := p.more(); err != nil {
			return "", err
		}
	}
}

// rest is the connection with what was read of it put back, to be copied.
func (p *preface) rest() net.Conn {
	raw := listeners.Raw(p.conn)
	if len(p.data) == 0 && !p.told {
		return raw
	}
	return &replay{Conn: raw, data: p.data, client: p.client}
}

// unread is the connection with what was read of it put back, for a server.
func (p *preface) unread() net.Conn {
	var client net.Addr
	if p.told {
		client = p.client
	}
	if listeners.Unread(p.conn, p.data, client) {
		return p.conn
	}
	return p.rest()
}

// replay is a connection whose first bytes were read before. The client's address may be another than its peer's;
// the local one is its own, since rows are of a listen port.
type replay struct {
	net.Conn
	data   []byte
	client net.Addr
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.data) > 0 {
		n := copy(b, r.data)
		if r.data = r.data[n:]; len(r.data) == 0 {
			r.data = nil
		}
		return n, nil
	}
	return r.Conn.Read(b)
}

func (r *replay) RemoteAddr() net.Addr { return r.client }

// CloseWrite ends what is sent, where the connection can.
func (r *replay) CloseWrite() error { return closeWrite(r.Conn) }

// take gives away what was read before, so that the connection below can be copied by itself.
func (r *replay) take() []byte {
	data := r.data
	r.data = nil
	return data
}
