package listeners

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pair is a connection to a share, the far end of it, and the newer configuration's share.
func pair(t *testing.T) (c *conn, far net.Conn, newer *share) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if far, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	near, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close(); near.Close() })
	_ = far.SetDeadline(time.Now().Add(20 * time.Second))
	shared := &socket{changed: make(chan struct{})}
	newer = &share{socket: shared, conns: make(chan *conn), accepting: true}
	shared.users = []*share{newer}
	return &conn{tcp: near.(*net.TCPConn), above: near, share: &share{socket: shared}, followed: true}, far, newer
}

// TestLeavesWithADeadline: a server that shuts down finds a connection idle before it has set the idle timeout.
func TestLeavesWithADeadline(t *testing.T) {
	for name, deadline := range map[string]time.Time{"none": {}, "of the request before": time.Now().Add(-time.Second)} {
		c, _, newer := pair(t)
		c.taken, c.deadline = true, deadline
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c.idle()
		next := <-newer.conns
		if left := time.Until(next.deadline); !next.resumed || left <= 0 || left > idleAtMost {
			t.Errorf("deadline %s: %v are left", name, left)
		}
	}
}

// TestARequestIsHandledOnce: a server that shuts down closes a connection whose request it has read, and has not begun
// to handle. Then the request is another configuration's, and this one must not take it too.
func TestARequestIsHandledOnce(t *testing.T) {
	c, far, newer := pair(t)
	text := request("once")
	if _, err := io.WriteString(far, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	next := <-newer.conns
	if string(next.left) != text {
		t.Errorf("the newer configuration gets %q", next.left)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	if Take(r.WithContext(context.WithValue(t.Context(), connKey{}, c))) {
		t.Error("both configurations handle the request")
	}
	next.followed, next.kept = true, next.left
	if !Take(r.WithContext(context.WithValue(t.Context(), connKey{}, next))) {
		t.Error("no configuration handles the request")
	}
}

// D12: a server that is made to close its connections closes them, although another configuration listens and a handler
// is at work.
func TestForcedClose(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	mine, err := listen(t.Context(), Network, "127.0.0.1", strconv.Itoa(w.port), 0, net.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	begun, done := make(chan struct{}), make(chan struct{})
	server := &http.Server{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			Take(r)
			close(begun)
			<-done
		}),
		ConnContext: follow, ConnState: tell,
	}
	defer close(done)
	go func() { _ = server.Serve(mine.(net.Listener)) }()
	// The newest that accepts gets the connections.
	for {
		c := w.dial()
		if err := c.send(request("x")); err != nil {
			t.Fatal(err)
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _, err := c.receive()
		select {
		case <-begun:
		default:
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		_ = server.Close()
		_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("the connection lives on: %v", err)
		}
		return
	}
}

func TestHeadLength(t *testing.T) {
	for text, want := range map[string]int{
		"":                           0,
		"GET / HTTP/1.1\r\nA: b\r\n": 0,
		"GET / HTTP/1.1\r\n\r\n":     18,
		"GET / HTTP/1.1\r\n\r\nrest": 18,
		"GET / HTTP/1.1\n\r\n":       0,
		"GET / HTTP/1.1\nA: b\n\nGET / HTTP/1.1\r\n\r\n": 0,
		"\n\r\n": 0,
	} {
		if got := headLength([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// FuzzHeadLength holds it against net/http: where there is a length, the server reads just as much.
func FuzzHeadLength(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")
	f.Add("GET / HTTP/1.1\nHost: a\r\n\r\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		length := headLength([]byte(text))
		reader := bufio.NewReaderSize(strings.NewReader(text), 1<<16)
		if _, err := http.ReadRequest(reader); err != nil || length == 0 || len(text) > 1<<15 {
			return
		}
		if read := len(text) - reader.Buffered(); read != length {
			t.Errorf("%q: %d, but net/http reads %d", text, length, read)
		}
	})
}
