package layer4

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// clientHello is what Go's own client sends.
func clientHello(t testing.TB, name string) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
		_ = client.Close()
	}()
	buf := make([]byte, maxHello)
	n, err := server.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	for int(buf[3])<<8+int(buf[4])+recordHeaderSize > n {
		more, err := server.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	return buf[:n]
}

func TestServerName(t *testing.T) {
	for _, name := range []string{"a.example.com", "A.Example.Com", ""} {
		hello := clientHello(t, name)
		got, err := serverName(hello)
		if err != nil || got != name {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
		for cut := range len(hello) {
			if _, err := serverName(hello[:cut]); !errors.Is(err, errShort) {
				t.Fatalf("%q cut at %d: %v", name, cut, err)
			}
		}
	}
}

func TestServerNameOverRecords(t *testing.T) {
	hello := clientHello(t, "split.example.com")
	body := hello[recordHeaderSize:]
	for _, size := range []int{1, 3, 5, 64} {
		var records []byte
		for rest := body; len(rest) > 0; {
			n := min(size, len(rest))
			records = append(records, 22, 3, 1, byte(n>>8), byte(n))
			records = append(records, rest[:n]...)
			rest = rest[n:]
		}
		if got, err := serverName(records); err != nil || got != "split.example.com" {
			t.Errorf("records of %d: got %q, %v", size, got, err)
		}
	}
	if !bytes.Equal(body, hello[recordHeaderSize:]) {
		t.Error("the bytes that go on to the target were changed")
	}
}

func TestServerNameRefuses(t *testing.T) {
	for about, test := range map[string]struct {
		data []byte
		want error
	}{
		"HTTP":             {[]byte("GET / HTTP/1.1\r\n"), errNotTLS},
		"one other byte":   {[]byte{0}, errNotTLS},
		"SSL 2":            {[]byte{22, 2, 0}, errNotTLS},
		"no hello":         {[]byte{22, 3, 1, 0, 5, 2, 0, 0, 1, 0}, errHello},
		"empty record":     {[]byte{22, 3, 1, 0, 0}, errHello},
		"huge record":      {[]byte{22, 3, 1, 0xff, 0xff}, errHello},
		"huge hello":       {[]byte{22, 3, 1, 0, 5, 1, 0xff, 0, 0, 0}, errHello},
		"torn hello":       {[]byte{22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3}, errHello},
		"record in hello":  {[]byte{22, 3, 1, 0, 5, 1, 0, 0, 9, 3, 23, 3, 1, 0, 1}, errHello},
		"nothing said yet": {nil, errShort},
	} {
		if _, err := serverName(test.data); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", about, err, test.want)
		}
	}
}

func FuzzServerName(f *testing.F) {
	f.Add(clientHello(f, "seed.example.com"))
	f.Add([]byte{22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		_, _ = serverName(data)
		if !bytes.Equal(before, data) {
			t.Fatal("the bytes that go on to the target were changed")
		}
	})
}

func TestProxyHeaderSize(t *testing.T) {
	v2 := append(append([]byte{}, signatureV2...), 0x21, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	for about, test := range map[string]struct {
		data []byte
		size int
		want error
	}{
		"v1":            {[]byte("PROXY UNKNOWN\r\nrest"), 15, nil},
		"v1, cut":       {[]byte("PROXY UNKNOWN"), 0, errShort},
		"v1, endless":   {bytes.Repeat([]byte("P"), 200), 0, errProxy},
		"v2":            {append(bytes.Clone(v2), "rest"...), 28, nil},
		"v2, cut":       {v2[:20], 0, errShort},
		"v2, signature": {signatureV2[:5], 0, errShort},
		"v2, too long":  {append(append([]byte{}, signatureV2...), 0x21, 0x11, 0xff, 0xff), 0, errProxy},
		"none":          {[]byte("hello"), 0, errProxy},
		"nothing yet":   {nil, 0, errShort},
	} {
		if size, err := proxyHeaderSize(test.data); size != test.size || !errors.Is(err, test.want) {
			t.Errorf("%s: got %d, %v", about, size, err)
		}
	}
}
