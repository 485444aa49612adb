package dispatcher

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// passiveSet leaves an address out after three failures.
func passiveSet(protocol string) map[string]any {
	set := proxySetBy(map[string]any{"protocol": protocol})
	set["handle"].([]any)[0].(map[string]any)["dynamic_upstreams"] = map[string]any{
		"source": "gatewright", "passive": map[string]any{"max_fails": 3, "fail_duration": "1h"},
	}
	return set
}

// sendRaw sends bytes over a connection of its own, ends its half, and returns the answer's status; 0 when there is none.
func (w *world) sendRaw(text string, halfClose bool) int {
	w.t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	if halfClose {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	return response.StatusCode
}

// TestWhoIsToBlame holds E3: what a visitor does to its own request is 400, and no failure of the instance.
func TestWhoIsToBlame(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"own": passiveSet("gatewright"), "http": passiveSet("gatewright_http")}
	w.load("c1")
	port := w.serve("web")
	rude := w.instance("rude", func(conn net.Conn) { _, _ = io.ReadFull(conn, make([]byte, 64)) })
	own, http := w.row("own", "own.test", "web", port), w.row("http", "http.test", "web", port)
	rudeOwn, rudeHTTP := w.row("rude-own", "rude-own.test", "rude", rude), w.row("rude-http", "rude-http.test", "rude", rude)
	http.Policy, own.Policy, rudeOwn.Policy, rudeHTTP.Policy = "http", "own", "own", "http"
	w.put("t1", own, http, rudeOwn, rudeHTTP)

	const chunked, length = "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 100\r\n\r\n"
	broken := []struct {
		name, text string
		halfClose  bool
	}{
		{"a size that is no number", chunked + "zz\r\nhello\r\n0\r\n\r\n", false},
		{"a size that is negative", chunked + "-5\r\nhello\r\n0\r\n\r\n", false},
		{"a size that is too large", chunked + "fffffffffffffffff\r\nhello", false},
		{"a chunk that is longer than its size", chunked + "2\r\nhello\r\n0\r\n\r\n", false},
		{"a second chunk that is broken", chunked + "5\r\nhello\r\nx\r\n\r\n", false},
		{"a trailer that is none", chunked + "5\r\nhello\r\n0\r\nno trailer\r\n\r\n", false},
		{"an end within a chunk", chunked + "5\r\nhe", true},
		{"an end between chunks", chunked + "5\r\nhello\r\n", true},
		{"an end before the length", length + "hello", true},
	}
	for _, host := range []string{"own.test", "http.test"} {
		for _, method := range []string{"POST", "GET"} {
			for _, b := range broken {
				t.Run(fmt.Sprintf("E3 %s %s %s", host, method, b.name), func(t *testing.T) {
					for range 4 {
						if status := w.sendRaw(fmt.Sprintf("%s / HTTP/1.1\r\nHost: %s\r\n%s", method, host, b.text), b.halfClose); status != 400 {
							t.Errorf("the visitor got %d", status)
						}
					}
					if got := w.get(host, "/"); got.status != 200 {
						t.Fatalf("afterwards: %d %q", got.status, got.body)
					}
				})
			}
		}
	}
	for _, host := range []string{"rude-own.test", "rude-http.test"} {
		t.Run("E3 what the instance does counts: "+host, func(t *testing.T) {
			body := strings.Repeat("x", 1<<20)
			text := fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, len(body), body)
			for range 3 {
				if status := w.sendRaw(text, false); status != 502 {
					t.Errorf("got %d", status)
				}
			}
			if got := w.get(host, "/"); got.status != 503 {
				t.Errorf("afterwards: %d", got.status)
			}
		})
	}
}
