package layer4

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/pires/go-proxyproto"
)

var (
	errProxy = errors.New("no PROXY protocol header")
	// errBadProxy is of one that is there.
	errBadProxy = errors.New("broken PROXY protocol header")
)

// maxProxyV1 is the longest header of version 1, its line end included; maxProxyV2 leaves room for every TLV in use.
const (
	maxProxyV1 = 107
	maxProxyV2 = 4 << 10
)

var (
	signatureV1 = []byte("PROXY ")
	signatureV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// readProxyHeader takes the PROXY protocol header off (v1 or v2). One that tells no addresses (UNKNOWN, LOCAL) leaves
// those of the connection. Where it is missing it returns errProxy.
// Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
func (p *preface) readProxyHeader() error {
	for {
		size, err := proxyHeaderSize(p.data)
		if err == nil {
			header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(p.data[:size]), maxProxyV2))
			if err != nil {
				return fmt.Errorf("%w: %w", errBadProxy, err)
			}
			p.data, p.told = p.data[size:], true
			source, isTCP := header.SourceAddr.(*net.TCPAddr)
			if header.Command.IsProxy() && isTCP && header.DestinationAddr != nil {
				p.client, p.local = source, header.DestinationAddr
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

// proxyHeaderSize is the length of the header that data begins with.
func proxyHeaderSize(data []byte) (int, error) {
	switch {
	case beginLikewise(data, signatureV1):
		if end := bytes.IndexByte(data[:min(len(data), maxProxyV1)], '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(data) >= maxProxyV1 {
			return 0, errProxy
		}
		return 0, errShort
	case !beginLikewise(data, signatureV2):
		return 0, errProxy
	case len(data) < 16:
		return 0, errShort
	}
	size := 16 + int(data[14])<<8 + int(data[15])
	if size > maxProxyV2 {
		return 0, errProxy
	}
	if len(data) < size {
		return 0, errShort
	}
	return size, nil
}

// beginLikewise tells whether two texts are the same as far as the shorter one goes.
func beginLikewise(one, other []byte) bool {
	n := min(len(one), len(other))
	return bytes.Equal(one[:n], other[:n])
}
