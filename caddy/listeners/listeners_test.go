package listeners

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"gatewright.dev/caddy/internal/freeport"
)

// TestNoRequestIsLost has clients of each kind send through many reloads. With GATEWRIGHT_TEST_NETWORK=tcp it shows
// what Caddy's own sockets lose.
func TestNoRequestIsLost(t *testing.T) {
	w := newWorld(t)
	address := cmp.Or(os.Getenv("GATEWRIGHT_TEST_NETWORK"), Network) + "/" + net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port))
	w.mustLoad("0", address)
	handled.Store(0)
	var sent, failed atomic.Int64
	done := make(chan struct{})
	var clients sync.WaitGroup
	run := func(kept bool, body string, pause time.Duration) {
		defer clients.Done()
		var c *client
		for {
			select {
			case <-done:
				return
			default:
			}
			if c == nil {
				c = w.dial()
			}
			sent.Add(1)
			err := c.send(request(body))
			closes := false
			if err == nil {
				var got string
				if got, closes, err = c.receive(); err == nil && !strings.HasSuffix(got, " "+body) {
					err = fmt.Errorf("got %q", got)
				}
			}
			if err != nil {
				failed.Add(1)
				t.Log(err)
			}
			if err != nil || closes || !kept {
				c.conn.Close()
				c = nil
			}
			time.Sleep(time.Duration(rand.Int64N(int64(pause) + 1)))
		}
	}
	for _, pause := range []time.Duration{0, 2 * time.Millisecond, 60 * time.Millisecond} {
		for range 2 {
			clients.Add(4)
			go run(false, "", pause+time.Millisecond)
			go run(true, "", pause)
			go run(true, "a body", pause)
			go run(true, strings.Repeat("x", 100<<10), pause+time.Millisecond)
		}
	}
	for i := range 40 {
		w.mustLoad(strconv.Itoa(i+1), address)
		time.Sleep(20 * time.Millisecond)
	}
	close(done)
	clients.Wait()
	t.Logf("%d requests, %d failed", sent.Load(), failed.Load())
	if failed.Load() > 0 || sent.Load() != handled.Load() {
		t.Errorf("of %d requests %d failed, %d were handled", sent.Load(), failed.Load(), handled.Load())
	}
}

// TestHalfARequestLives through a reload, and what follows an answer in the same packet.
func TestHalfARequestLives(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	half, idle, pipelined := w.dial(), w.dial(), w.dial()
	idle.expect(t, request("one"), "1 one")
	pipelined.expect(t, request("one")+request("")[:10], "1 one")
	if err := half.send(request("")[:20]); err != nil {
		t.Fatal(err)
	}
	w.mustLoad("2", at("127.0.0.1", w.port))
	idle.expect(t, request("two"), "2 two")
	pipelined.expect(t, request("")[10:], "2 ")
	half.expect(t, request("")[20:]+request(""), "2 ")
	half.expect(t, "", "2 ")
}

// TestIdleTimeoutHolds: a reload neither restarts it nor ends it early.
func TestIdleTimeoutHolds(t *testing.T) {
	w := newWorld(t)
	w.more = map[string]any{"idle_timeout": "1500ms"}
	w.mustLoad("1", at("127.0.0.1", w.port))
	c := w.dial()
	before := time.Now()
	c.expect(t, request(""), "1 ")
	w.more = map[string]any{"idle_timeout": "1h"}
	w.mustLoad("2", at("127.0.0.1", w.port))
	if n, err := c.conn.Read(make([]byte, 1)); err != io.EOF || time.Since(before) < 1500*time.Millisecond {
		t.Errorf("after %v: %d, %v", time.Since(before), n, err)
	}
}

// TestARequestHasItsTime: one that begins after a reload, on a connection that was idle, has the new server's time.
func TestARequestHasItsTime(t *testing.T) {
	w := newWorld(t)
	w.more = map[string]any{"idle_timeout": "1h", "read_header_timeout": "1h"}
	w.mustLoad("1", at("127.0.0.1", w.port))
	c := w.dial()
	c.expect(t, request(""), "1 ")
	w.more = map[string]any{"idle_timeout": "1h", "read_header_timeout": "100ms"}
	w.mustLoad("2", at("127.0.0.1", w.port))
	if err := c.send("GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a request that does not end was let be: %d, %v", n, err)
	}
}

// TestTheServersTimeIsKept: what is read of a request that did not come from another server moves no deadline.
func TestTheServersTimeIsKept(t *testing.T) {
	w := newWorld(t)
	w.more = map[string]any{"read_header_timeout": "200ms"}
	w.mustLoad("1", at("127.0.0.1", w.port))
	c := w.dial()
	if err := c.send("GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a request that does not end was let be: %d, %v", n, err)
	}
}

// TestNothingEndsWithAProcessThatStays: as long as no successor has taken over, no client is told to come again.
func TestNothingEndsWithAProcessThatStays(t *testing.T) {
	if r, err := http.NewRequest("GET", "/", nil); err != nil || Stays(r) {
		t.Errorf("stays, %v", err)
	}
}

// TestClosesWhatIsDone: a connection that the server or the client ends is closed while another configuration runs.
func TestClosesWhatIsDone(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	other, err := listen(t.Context(), Network, "127.0.0.1", strconv.Itoa(w.port), 0, net.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.(*share).Close()
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "NONSENSE, AND MORE OF IT\r\n\r\n",
	} {
		c := w.dial()
		if err := c.send(text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c.reader); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestFailedStartChangesNothing: the second address of the new configuration is somebody else's.
func TestFailedStartChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	kept := w.dial()
	kept.expect(t, request(""), "1 ")
	free := freeport.Find(t)
	err = w.load("2", at("127.0.0.1", w.port), at("127.0.0.1", free), Network+"/"+taken.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "listen tcp "+taken.Addr().String()+": bind: address already in use") {
		t.Fatal(err)
	}
	kept.expect(t, request(""), "1 ")
	for range 20 {
		w.dial().expect(t, request(""), "1 ")
	}
	if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(free))); err != nil {
		t.Error("a socket of the failed configuration is open:", err)
	} else {
		l.Close()
	}
	w.mustLoad("3", at("127.0.0.1", w.port))
	kept.expect(t, request(""), "3 ")
}

// TestNotBeforeItAccepts: a share whose server does not accept yet takes no connections.
func TestNotBeforeItAccepts(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	early, err := listen(t.Context(), Network, "127.0.0.1", strconv.Itoa(w.port), 0, net.ListenConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.dial().expect(t, request(""), "1 ")
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := early.(net.Listener).Accept()
		accepted <- conn
	}()
	for {
		w.dial()
		select {
		case conn := <-accepted:
			conn.Close()
			early.(*share).Close()
			if _, err := early.(net.Listener).Accept(); err == nil {
				t.Error("a closed share accepts")
			}
			w.dial().expect(t, request(""), "1 ")
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestFromAllAddressesToOne and back, and between families.
func TestFromAllAddressesToOne(t *testing.T) {
	w := newWorld(t)
	for i, hosts := range [][]string{{"127.0.0.1"}, {"0.0.0.0"}, {"127.0.0.1", "127.0.0.2"}, {""}, {"::"}, {"::1", "127.0.0.1"}} {
		var addresses []string
		for _, host := range hosts {
			addresses = append(addresses, at(host, w.port))
		}
		version := strconv.Itoa(i)
		w.mustLoad(version, addresses...)
		w.awaitSockets(len(addresses))
		w.dial().expect(t, request(""), version+" ")
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port))); err == nil {
			l.Close()
			t.Errorf("%v: somebody else could listen", hosts)
		}
	}
}

// TestNobodyElseListens: not even a socket that shares its port with others, as Caddy's own.
func TestNobodyElseListens(t *testing.T) {
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	sharing := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return setOption(raw, 1) }}
	if l, err := sharing.Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port))); err == nil {
		l.Close()
		t.Error("another process could take half of the connections")
	}
}

// The begin of HTTP/2 looks like a request: a first stream may be handled before the server has written anything.
func TestHTTP2Stays(t *testing.T) {
	c := &conn{followed: true, kept: []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}
	r := (&http.Request{Method: "GET", ProtoMajor: 2}).WithContext(context.WithValue(t.Context(), connKey{}, c))
	if !Take(r) {
		t.Error("the request was refused")
	}
	if !c.spent {
		t.Error("the connection could leave in the middle of its frames")
	}
}
