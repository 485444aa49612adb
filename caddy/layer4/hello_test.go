package layer4

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
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

// serverName reads all at once.
func serverName(data []byte) (string, error) { return new(helloReader).name(data) }

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
		if got, err := serverName(inRecords(body, size)); err != nil || got != "split.example.com" {
			t.Errorf("records of %d: got %q, %v", size, got, err)
		}
	}
	if !bytes.Equal(body, hello[recordHeaderSize:]) {
		t.Error("the bytes that go on to the target were changed")
	}
}

// inRecords spreads a hello over records that carry so many bytes each.
func inRecords(hello []byte, size int) (records []byte) {
	for rest := hello; len(rest) > 0; {
		n := min(size, len(rest))
		records = append(records, 22, 3, 1, byte(n>>8), byte(n))
		records = append(records, rest[:n]...)
		rest = rest[n:]
	}
	return records
}

// D12: what a hello costs grows with its bytes, and not with its square. Each byte comes by itself, and is looked at in
// a bounded number of steps, which are counted by what the reader has taken: it never starts over.
func TestServerNameReadsEachByteOnce(t *testing.T) {
	hello := clientHello(t, "a.example.com")[recordHeaderSize:]
	records := inRecords(hello, 1)
	var reader helloReader
	for i := range len(records) - 1 {
		if _, err := reader.name(records[:i]); !errors.Is(err, errShort) {
			t.Fatalf("after %d bytes: %v", i, err)
		}
		if want := i / (recordHeaderSize + 1); reader.at != want*(recordHeaderSize+1) || len(reader.body) != want {
			t.Fatalf("after %d bytes the reader stands at %d with %d", i, reader.at, len(reader.body))
		}
	}
	if name, err := reader.name(records); err != nil || name != "a.example.com" {
		t.Fatalf("got %q, %v", name, err)
	}
}

// one-byte records and more bytes than are read for a name: the cost for a byte is that of a hello of half the size.
func BenchmarkServerNameInOneByteRecords(b *testing.B) {
	for _, size := range []int{1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10} {
		hello := append([]byte{1, 0, byte(size >> 8), byte(size)}, make([]byte, size)...)
		records := inRecords(hello, 1)[:size]
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				var reader helloReader
				for i := range records {
					_, _ = reader.name(records[:i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/byte")
		})
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
		whole, wholeErr := serverName(data)
		var reader helloReader
		for i := range len(data) + 1 {
			name, err := reader.name(data[:i])
			if errors.Is(err, errShort) && i < len(data) {
				continue
			}
			if name != whole || !errors.Is(err, wholeErr) {
				t.Fatalf("at once: %q, %v; by bytes: %q, %v", whole, wholeErr, name, err)
			}
			break
		}
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
