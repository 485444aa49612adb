package handover_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/handover"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/listeners"
)

// This file is the harness of the package's tests.

// Processes are this test binary: what is handed over belongs to a process.
const (
	bodyVariable = "HANDOVER_TEST_BODY"
	portVariable = "HANDOVER_TEST_PORT"
	// gateVariable names a file that a process waits for, with its predecessor's sockets in hand.
	gateVariable = "HANDOVER_TEST_GATE"
)

func TestMain(m *testing.M) {
	if body := os.Getenv(bodyVariable); body != "" {
		serve(body)
	}
	os.Exit(m.Run())
}

// serve is a process that answers with its body.
func serve(body string) {
	caddy.TrapSignals()
	if gate := os.Getenv(gateVariable); gate != "" {
		handover.Inherit("none", "none")
		fmt.Println("waits")
		for _, err := os.Stat(gate); err != nil; _, err = os.Stat(gate) {
			time.Sleep(time.Millisecond)
		}
	}
	caddy.RegisterModule(answer{})
	config, _ := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": map[string]any{"module": "file_system", "root": filepath.Dir(os.Getenv("GATEWRIGHT_HANDOVER"))},
		"apps": map[string]any{"http": map[string]any{"servers": map[string]any{"main": map[string]any{
			"listen":          []string{listeners.Network + "/127.0.0.1:" + os.Getenv(portVariable)},
			"automatic_https": map[string]any{"disable": true}, "protocols": []string{"h1", "h2"},
			"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "answer", "body": body}}}},
		}}}},
	})
	if err := caddy.Load(config, true); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("serves")
	select {}
}

// answer is a handler with connections that move.
type answer struct {
	Body string `json:"body"`
}

func (answer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.answer", New: func() caddy.Module { return new(answer) }}
}

func (answer) Provision(ctx caddy.Context) error {
	listeners.Follow(ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server))
	return nil
}

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !listeners.Take(r) {
		panic(http.ErrAbortHandler)
	}
	if listeners.Stays(r) {
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path == "/hang" {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	_, err := io.WriteString(w, a.Body)
	return err
}

// world is where processes follow one another.
type world struct {
	t    *testing.T
	path string
	port int
	// command is a process that has not begun.
	command func() *exec.Cmd
}

func newWorld(t *testing.T) *world {
	own := func() *exec.Cmd { return exec.Command(os.Args[0]) }
	return &world{t, filepath.Join(t.TempDir(), "handover"), freeport.Find(t), own}
}

type process struct {
	*exec.Cmd
	said  chan string
	ended chan struct{}
}

// start starts a process, and waits until it says so.
func (w *world) start(body, gate, until string) *process {
	w.t.Helper()
	p := w.launch(body, gate)
	p.await(w.t, until)
	return p
}

func (w *world) launch(body, gate string) *process {
	w.t.Helper()
	cmd := w.command()
	cmd.Env = append(os.Environ(), "GATEWRIGHT_HANDOVER="+w.path, bodyVariable+"="+body, portVariable+"="+strconv.Itoa(w.port), gateVariable+"="+gate)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &process{cmd, make(chan string, 10), make(chan struct{})}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.said <- lines.Text()
		}
		_ = cmd.Wait()
		close(p.ended)
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	return p
}

func (p *process) await(t *testing.T, text string) {
	t.Helper()
	select {
	case said := <-p.said:
		if said != text {
			t.Fatalf("the process said %q instead of %q", said, text)
		}
	case <-p.ended:
		t.Fatal("the process ended")
	case <-time.After(30 * time.Second):
		t.Fatal("the process hangs")
	}
}

type client struct {
	t *testing.T
	net.Conn
	reader *bufio.Reader
}

func (w *world) dial() *client {
	w.t.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{w.t, conn, bufio.NewReader(conn)}
}

const request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) receive() string {
	c.t.Helper()
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

func (c *client) ask() string {
	c.t.Helper()
	c.send(request)
	return c.receive()
}

// awaitBody asks on new connections until the answer is this one; any other must be before it.
func (w *world) awaitBody(before, body string) {
	w.t.Helper()
	for over := time.Now().Add(30 * time.Second); time.Now().Before(over); {
		switch got := w.dial().ask(); got {
		case body:
			return
		case before:
		default:
			w.t.Fatalf("%q answers", got)
		}
	}
	w.t.Fatalf("%q never answers", body)
}
