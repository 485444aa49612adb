package listeners

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
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

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"gatewright.dev/caddy/internal/freeport"
)

// handled counts what handlers did, of all configurations.
var handled atomic.Int64

// echo answers with the configuration's version and the body, on connections that live through reloads.
type echo struct {
	Version string `json:"version"`
}

func (echo) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.echo_test", New: func() caddy.Module { return new(echo) }}
}

func (e *echo) Provision(ctx caddy.Context) error {
	Follow(ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server))
	return nil
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !Take(r) {
		panic(http.ErrAbortHandler)
	}
	handled.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, err = fmt.Fprintf(w, "%s %s", e.Version, body)
	return err
}

func init() { caddy.RegisterModule(echo{}) }

// world is a Caddy in this process. Its sockets are the process's, so that tests do not run in parallel.
type world struct {
	t    *testing.T
	port int
	// more is merged into the server.
	more map[string]any
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, port: freeport.Find(t), more: map[string]any{}}
	t.Cleanup(func() {
		_ = caddy.Stop()
		// Servers shut down in the background.
		w.awaitSockets(0)
	})
	return w
}

func (w *world) load(version string, addresses ...string) error {
	w.t.Helper()
	server := map[string]any{
		"listen": addresses, "automatic_https": map[string]any{"disable": true}, "protocols": []string{"h1", "h2"},
		"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "echo_test", "version": version}}}},
	}
	for key, value := range w.more {
		server[key] = value
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": map[string]any{"module": "file_system", "root": w.t.TempDir()},
		"apps":    map[string]any{"http": map[string]any{"servers": map[string]any{"main": server}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return caddy.Load(text, true)
}

func (w *world) mustLoad(version string, addresses ...string) {
	w.t.Helper()
	if err := w.load(version, addresses...); err != nil {
		w.t.Fatal(err)
	}
}

func at(host string, port int) string {
	return Network + "/" + net.JoinHostPort(host, strconv.Itoa(port))
}

// client is a connection and what came of it: net/http's own client hides lost connections by repeating requests.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (w *world) dial() *client {
	w.t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)), 5*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{conn, bufio.NewReader(conn)}
}

func request(body string) string {
	if body == "" {
		return "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	}
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (c *client) send(text string) error {
	_, err := io.WriteString(c.conn, text)
	return err
}

// receive is the body of the next answer, and whether the server then closes.
func (c *client) receive() (string, bool, error) {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), response.Close, err
}

func (c *client) expect(t *testing.T, send, want string) {
	t.Helper()
	if err := c.send(send); err != nil {
		t.Fatal(err)
	}
	got, _, err := c.receive()
	if err != nil || got != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

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

// awaitSockets waits until older configurations have closed what no newer one has.
func (w *world) awaitSockets(want int) {
	w.t.Helper()
	for range 1000 {
		mu.Lock()
		open := len(sockets)
		mu.Unlock()
		if open == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Errorf("sockets of older configurations stay open: not %d", want)
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
