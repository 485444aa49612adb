package layer4

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"
)

// proxyV2 is a header for 192.0.2.7 that is padded to size.
func proxyV2(size int) []byte {
	header := append([]byte{}, signatureV2...)
	header = append(header, 0x21, 0x11)
	header = binary.BigEndian.AppendUint16(header, uint16(size-16))
	header = append(header, 192, 0, 2, 7, 192, 0, 2, 1, 4, 210, 0, 80)
	const noop = 4
	header = append(header, noop)
	header = binary.BigEndian.AppendUint16(header, uint16(size-len(header)-2))
	return append(header, make([]byte, size-len(header))...)
}

// D12: a header whose end is that of the room for it, 2,048 bytes, and its neighbours.
func TestProxyHeadersOfEverySize(t *testing.T) {
	for _, size := range []int{31, firstRead - 1, firstRead, firstRead + 1, maxProxyV2} {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Write(append(proxyV2(size), "GET / HTTP/1.1"...))
		}()
		p := newPreface(near)
		_ = near.SetDeadline(time.Now().Add(10 * time.Second))
		if err := p.readProxyHeader(); err != nil || fmt.Sprint(p.client) != "192.0.2.7:1234" {
			t.Errorf("%d bytes: %v, %v", size, p.client, err)
		}
		// What follows is read as if there had been no header.
		for len(p.data) < 14 {
			if err := p.more(); err != nil {
				t.Fatalf("after %d bytes: %v", size, err)
			}
		}
		if string(p.data) != "GET / HTTP/1.1" {
			t.Errorf("after %d bytes: %q", size, p.data)
		}
		near.Close()
		far.Close()
	}
}
