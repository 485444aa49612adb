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

// helloReader finds the name that a client asks for (SNI, RFC 6066 section 3) in bytes that come little by little.
// Whole records are read once, so that a hello in thousands of them costs no more than one in a single record.
type helloReader struct {
	// at is where the next record begins.
	at int
	// body is what the records before carried.
	body []byte
}

// name takes all bytes that the client began with; "" when it names no server. It returns errShort until the ClientHello
// is whole, and errNotTLS as soon as it is clear that there is none. A ClientHello may be spread over records (RFC 8446
// section 5.1).
func (r *helloReader) name(data []byte) (string, error) {
	for {
		part, whole, err := r.record(data[r.at:])
		if err != nil {
			return "", err
		}
		size, err := helloSize(r.body, part)
		if err != nil {
			return "", err
		}
		if size > 0 && len(r.body)+len(part) >= size {
			return nameOf(r.join(part)[helloHeaderSize:size])
		}
		if !whole {
			return "", errShort
		}
		r.body = r.join(part)
		r.at += recordHeaderSize + len(part)
	}
}

// record is what has come of the record that data begins with.
func (r *helloReader) record(data []byte) (part []byte, whole bool, err error) {
	if len(data) > 0 && data[0] != recordHandshake || len(data) > 1 && data[1] != 3 {
		if r.at == 0 {
			return nil, false, errNotTLS
		}
		return nil, false, errHello
	}
	if len(data) < recordHeaderSize {
		return nil, false, errShort
	}
	size := int(binary.BigEndian.Uint16(data[3:]))
	if size == 0 || size > maxHello {
		return nil, false, errHello
	}
	part = data[recordHeaderSize:]
	return part[:min(size, len(part))], len(part) >= size, nil
}

// helloSize is the length of the handshake message in two parts, 0 before it is known.
func helloSize(body, part []byte) (int, error) {
	var head [helloHeaderSize]byte
	n := copy(head[:], body)
	n += copy(head[n:], part)
	if n > 0 && head[0] != helloType {
		return 0, errHello
	}
	if n < helloHeaderSize {
		return 0, nil
	}
	length := int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	if length > maxHello {
		return 0, errHello
	}
	return helloHeaderSize + length, nil
}

// join is body and part in one; the data that part belongs to stays as it is.
func (r *helloReader) join(part []byte) []byte {
	if len(r.body) == 0 {
		return part[:len(part):len(part)]
	}
	return append(r.body, part...)
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
