package dispatcher

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/table"
)

// targetCases are request targets, byte for byte: what the client gets, and what the instance is asked for.
var targetCases = []struct {
	method, target string
	status         int
	asked          string
	// onlyFirst marks forms that HTTP/2 and 3 do not have (RFC 9113 section 8.3.1): there no answer is 200.
	onlyFirst bool
}{
	{"GET", "/", 200, "/", false},
	{"GET", "/open?a=b", 200, "/open?a=b", false},
	{"GET", "/admin/users", 403, "", false},
	// The instance's library answers this one by itself.
	{"OPTIONS", "*", 200, "", false},
	{"GET", "http://a.test/open", 200, "/open", true},
	{"GET", "HTTPS://a.test/open", 200, "/open", true},
	{"GET", "http://a.test/admin/users", 403, "", true},
	// An http URL without a path means `/` (RFC 9110 section 4.2.3), and is sent so.
	{"GET", "http://a.test", 200, "/", true},
	{"GET", "http://a.test?a=b", 200, "/?a=b", true},
	{"GET", "x:http://a.test/admin/users", 400, "", false},
	{"GET", "x:/admin/users", 400, "", false},
	{"GET", "x://a.test/admin/users", 400, "", false},
	{"GET", "ftp://a.test/admin/users", 400, "", false},
	{"GET", "mailto:admin", 400, "", false},
	{"GET", "http:admin/users", 400, "", false},
	{"GET", "http:/admin/users", 400, "", false},
	{"GET", "http:///admin/users", 400, "", false},
	{"GET", "http:%2f%2fa.test/admin/users", 400, "", false},
	{"GET", "http://ann@a.test/open", 400, "", false},
	{"GET", "a.test:80", 400, "", false},
	{"GET", "a.test", 400, "", false},
	{"GET", "a.test/admin/users", 400, "", false},
	{"GET", "?a=b", 400, "", false},
	{"GET", "#/admin/users", 400, "", false},
	{"GET", "*", 400, "", false},
	{"OPTIONS", "*/admin/users", 400, "", false},
	{"OPTIONS", "x:*", 400, "", false},
	{"CONNECT", "a.test:443", 400, "", false},
	{"CONNECT", "a.test", 400, "", false},
	{"CONNECT", "/open", 400, "", false},
	{"CONNECT", "x:http://a.test/admin/users", 400, "", true},
}

// TestRequestTargets holds D2: a target that is neither a path nor an http URL is no way past path rules, on no version
// of HTTP.
func TestRequestTargets(t *testing.T) {
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "a.test")
	w.tls = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.servers["main"] = map[string]any{
		"listen":                  []string{fmt.Sprint("127.0.0.1:", w.port)},
		"automatic_https":         map[string]any{"disable": true},
		"tls_connection_policies": []any{map[string]any{}},
		"routes":                  []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}
	w.sets = map[string]any{"proxy": proxySet, "secret": checked(proxySet)}
	w.load("c1")
	open := w.row("open", "a.test", "open", w.serve("open"))
	admin := w.row("admin", "a.test", "admin", w.serve("admin"))
	open.TLS, admin.TLS = true, true
	admin.Path = &table.Path{Type: "prefix", Value: "/admin"}
	admin.Policy = "secret"
	admin.Auth = &table.Auth{Header: "X-Key", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte("secret")))}
	w.put("t1", open, admin)
	clients := []struct {
		version string
		send    func(t *testing.T, address, method, target string) (status int, body string)
	}{{"HTTP/1.1", sendFirst}, {"HTTP/2", sendSecond}, {"HTTP/3", sendThird}}
	for _, client := range clients {
		for _, c := range targetCases {
			t.Run(fmt.Sprintf("D2 %s %s %s", client.version, c.method, c.target), func(t *testing.T) {
				status, body := client.send(t, fmt.Sprint("127.0.0.1:", w.port), c.method, c.target)
				wanted := []int{c.status}
				if client.version != "HTTP/1.1" && (c.status == 400 || c.onlyFirst) {
					// The libraries reset streams of such requests before a handler has them.
					wanted = []int{0, 400}
				}
				if !slices.Contains(wanted, status) {
					t.Fatalf("got %d %q, want one of %v", status, body, wanted)
				}
				if status == 200 && c.asked != "" && body != "open "+c.asked {
					t.Errorf("the instance answered %q, want it to be asked for %q", body, c.asked)
				}
			})
		}
	}
}

// TestTheClientsSchemeIsNotTheInstances holds that of an http URL nothing but path and query goes on: whether the instance is
// spoken to over TLS is the row's to say.
func TestTheClientsSchemeIsNotTheInstances(t *testing.T) {
	w := newWorld(t)
	w.sets["TLS"] = proxySetBy(map[string]any{"protocol": "gatewright_http", "tls": map[string]any{"insecure_skip_verify": true}})
	w.load("c1")
	secure := certtest.Server(t, "a.test")
	serve := replies(map[string]string{"/open": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"})
	row := w.row("a", "a.test", "secure", w.instance("secure", func(conn net.Conn) { serve(tls.Server(conn, secure)) }))
	row.Policy = "TLS"
	w.put("t1", row)
	for _, target := range []string{"/open", "http://a.test/open", "https://a.test/open"} {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", target)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("D2 %s: %v, %v", target, res, err)
		}
		conn.Close()
	}
}

func connectTLS(t *testing.T, address, protocol string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func sendFirst(t *testing.T, address, method, target string) (int, string) {
	conn := connectTLS(t, address, "http/1.1")
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", method, target)
	return readAnswer(t, conn)
}

func readAnswer(t *testing.T, conn io.Reader) (status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

// pseudo are the pseudo header fields of a request. CONNECT has its target as authority, and no more.
func pseudo(method, target string) [][2]string {
	if method == "CONNECT" {
		return [][2]string{{":method", method}, {":authority", target}}
	}
	return [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a.test"}, {":path", target}}
}

// sendSecond returns the status 0 for a stream that was reset.
func sendSecond(t *testing.T, address, method, target string) (status int, body string) {
	conn := connectTLS(t, address, "h2")
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range pseudo(method, target) {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, _ = strconv.Atoi(f.PseudoValue("status"))
		case *http2.DataFrame:
			body += string(f.Data())
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return status, body
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return status, body
		}
	}
}

// sendThird returns the status 0 for a stream that was reset.
func sendThird(t *testing.T, address, method, target string) (status int, body string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{"h3"}}
	conn, err := quic.DialAddr(ctx, address, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseWithError(0x100, "")
	control, err := conn.OpenUniStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// A control stream with empty settings (RFC 9114 section 6.2.1).
	_, _ = control.Write([]byte{0x00, 0x04, 0x00})
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for _, field := range pseudo(method, target) {
		_ = encoder.WriteField(qpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_, _ = stream.Write(append(quicvarint.Append([]byte{frameHeaders}, uint64(block.Len())), block.Bytes()...))
	_ = stream.Close()
	reader := quicvarint.NewReader(stream)
	for {
		kind, err := quicvarint.Read(reader)
		if err != nil {
			return status, body
		}
		size, _ := quicvarint.Read(reader)
		content := make([]byte, size)
		if _, err := io.ReadFull(reader, content); err != nil {
			return status, body
		}
		switch kind {
		case frameHeaders:
			next := qpack.NewDecoder().Decode(content)
			for field, err := next(); err == nil; field, err = next() {
				if field.Name == ":status" {
					status, _ = strconv.Atoi(field.Value)
				}
			}
		case frameData:
			body += string(content)
		}
	}
}

// Types of frames (RFC 9114 section 7.2).
const (
	frameData    = 0x0
	frameHeaders = 0x1
)
