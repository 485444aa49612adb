package layer4

import (
	"encoding/binary"
	"errors"
)

// maxHello bounds what is read before the name is known. Hellos with keys for post-quantum exchange have about 2 KB.
const maxHello = 16 << 10

var (
	errShort  = errors.New("more is needed")
	errNotTLS = errors.New("not a TLS connection")
	errHello  = errors.New("broken ClientHello")
)

const (
	recordHandshake  = 22
	helloType        = 1
	extensionName    = 0
	recordHeaderSize = 5
	helloHeaderSize  = 4
)

// serverName reads the name that a client asks for (SNI, RFC 6066 section 3) from the bytes that it began with; ""
// when it names none. It returns errShort until the ClientHello is whole, and errNotTLS as soon as it is clear that
// there is none. A ClientHello may be spread over records (RFC 8446 section 5.1).
func serverName(data []byte) (string, error) {
	var hello []byte
	for first := true; ; first = false {
		if len(data) > 0 && data[0] != recordHandshake {
			return "", notTLS(first)
		}
		if len(data) > 1 && data[1] != 3 {
			return "", notTLS(first)
		}
		if len(data) < recordHeaderSize {
			return "", errShort
		}
		size := int(binary.BigEndian.Uint16(data[3:]))
		if size == 0 || size > maxHello {
			return "", errHello
		}
		body := data[recordHeaderSize:]
		whole := len(body) >= size
		body = body[:min(size, len(body))]
		if hello == nil {
			hello = body[:len(body):len(body)]
		} else {
			hello = append(hello, body...)
		}
		if len(hello) > 0 && hello[0] != helloType {
			return "", errHello
		}
		if len(hello) >= helloHeaderSize {
			length := int(hello[1])<<16 | int(hello[2])<<8 | int(hello[3])
			if length > maxHello {
				return "", errHello
			}
			if len(hello) >= helloHeaderSize+length {
				return nameOf(hello[helloHeaderSize : helloHeaderSize+length])
			}
		}
		if !whole {
			return "", errShort
		}
		data = data[recordHeaderSize+size:]
	}
}

func notTLS(first bool) error {
	if first {
		return errNotTLS
	}
	return errHello
}

// reader takes apart bytes with lengths before them; after a lack of bytes everything is empty.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number(size int) (n int) {
	for _, b := range r.take(size) {
		n = n<<8 | int(b)
	}
	return n
}

// vector takes bytes whose number is written before them in size bytes.
func (r *reader) vector(size int) *reader { return &reader{rest: r.take(r.number(size))} }

// nameOf finds the server name in a ClientHello (RFC 8446 section 4.1.2).
func nameOf(hello []byte) (string, error) {
	r := &reader{rest: hello}
	r.take(2 + 32) // version, random
	r.vector(1)    // session
	r.vector(2)    // ciphers
	r.vector(1)    // compression
	if r.bad {
		return "", errHello
	}
	if len(r.rest) == 0 {
		return "", nil
	}
	extensions := r.vector(2)
	if r.bad || len(r.rest) != 0 {
		return "", errHello
	}
	for len(extensions.rest) > 0 {
		kind := extensions.number(2)
		body := extensions.vector(2)
		if extensions.bad {
			return "", errHello
		}
		if kind != extensionName {
			continue
		}
		names := body.vector(2)
		for len(names.rest) > 0 {
			nameType := names.number(1)
			name := names.vector(2)
			if names.bad || len(name.rest) == 0 {
				return "", errHello
			}
			if nameType == 0 {
				return string(name.rest), nil
			}
		}
		if body.bad {
			return "", errHello
		}
	}
	return "", nil
}
