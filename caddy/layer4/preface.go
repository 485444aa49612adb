package layer4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
)

// firstRead is the room for the first bytes of a connection; it grows up to maxHello.
const firstRead = 2 << 10

// maxWaiting bounds the connections that have not said enough yet to know where they go.
const maxWaiting = 16 << 10

var waiting atomic.Int64

var (
	errTooMany = errors.New("too many connections that have not said where they go")
	errProxy   = errors.New("no PROXY protocol header")
)

// preface is the begin of a connection, read to find its row.
type preface struct {
	conn net.Conn
	data []byte
	// client and local are the addresses that a PROXY header told, else the connection's own.
	client, local net.Addr
}

// more reads once. The deadline is the connection's.
func (p *preface) more() error {
	if len(p.data) >= maxHello {
		return errHello
	}
	if p.data == nil {
		p.data = make([]byte, 0, firstRead)
	}
	if len(p.data) == cap(p.data) {
		grown := make([]byte, len(p.data), min(2*cap(p.data), maxHello))
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

// enter counts a connection among those that wait; the caller calls leave.
func enter(conn net.Conn, timeout time.Duration) error {
	if waiting.Add(1) > maxWaiting {
		waiting.Add(-1)
		return errTooMany
	}
	return conn.SetReadDeadline(time.Now().Add(timeout))
}

func leave(conn net.Conn) {
	waiting.Add(-1)
	_ = conn.SetReadDeadline(time.Time{})
}

// readProxyHeader takes the PROXY protocol header off (v1 or v2), which must be there.
func (p *preface) readProxyHeader() error {
	for {
		size, err := proxyHeaderSize(p.data)
		if err == nil {
			header, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(p.data[:size])))
			if err != nil {
				return err
			}
			p.data = p.data[size:]
			if header.Command.IsProxy() && header.SourceAddr != nil && header.DestinationAddr != nil {
				p.client, p.local = header.SourceAddr, header.DestinationAddr
			}
			return nil
		}
		if !errors.Is(err, errShort) {
			return err
		}
		if err := p.more(); err != nil {
			return err
		}
	}
}

// maxProxyV1 is the longest header of version 1, its line end included.
const maxProxyV1 = 107

var signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")

// proxyHeaderSize is the length of the header that data begins with.
func proxyHeaderSize(data []byte) (int, error) {
	switch {
	case len(data) == 0:
		return 0, errShort
	case data[0] == 'P':
		if end := bytes.IndexByte(data[:min(len(data), maxProxyV1)], '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(data) >= maxProxyV1 {
			return 0, errProxy
		}
		return 0, errShort
	case !bytes.HasPrefix(data, signatureV2[:min(len(data), len(signatureV2))]):
		return 0, errProxy
	case len(data) < 16:
		return 0, errShort
	}
	size := 16 + int(data[14])<<8 + int(data[15])
	if size > 4<<10 {
		return 0, errProxy
	}
	if len(data) < size {
		return 0, errShort
	}
	return size, nil
}

// readServerName reads until the name is known that the client asks for.
func (p *preface) readServerName() (string, error) {
	for {
		name, err := serverName(p.data)
		if !errors.Is(err, errShort) {
			return name, err
		}
		if err := p.more(); err != nil {
			return "", err
		}
	}
}

// rest is the connection with what was read of it put back.
func (p *preface) rest() net.Conn {
	if len(p.data) == 0 && p.client == p.conn.RemoteAddr() {
		return p.conn
	}
	return &replay{Conn: p.conn, data: p.data, client: p.client}
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

// addrOf is the address without its zone, which no prefix would contain.
func addrOf(a net.Addr) netip.Addr {
	var addr netip.Addr
	switch a := a.(type) {
	case *net.TCPAddr:
		addr = a.AddrPort().Addr()
	case *net.UDPAddr:
		addr = a.AddrPort().Addr()
	case nil:
	default:
		parsed, _ := netip.ParseAddrPort(a.String())
		addr = parsed.Addr()
	}
	return addr.Unmap().WithZone("")
}

func portOf(a net.Addr) uint16 {
	switch a := a.(type) {
	case *net.TCPAddr:
		return uint16(a.Port)
	case *net.UDPAddr:
		return uint16(a.Port)
	case nil:
		return 0
	}
	parsed, _ := netip.ParseAddrPort(a.String())
	return parsed.Port()
}
