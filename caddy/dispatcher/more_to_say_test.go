package dispatcher

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestMoreToSay holds E7: what an instance sends behind its answer is nobody's answer. Over TLS and HTTP/2 net/http keeps the
// connections, and uses one again before it has looked at what came.
func TestMoreToSay(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	answers := map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + poison,
		"chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
		"nothing": "HTTP/1.1 204 No Content\r\n\r\n" + poison,
		"large":   fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", 64<<10, strings.Repeat("x", 64<<10), poison),
	}
	port := w.instance("chatty", func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			if _, err := io.WriteString(conn, answers[request.URL.Path[1:]]); err != nil {
				return
			}
		}
	})
	w.put("t1", w.row("a", "a.test", "chatty", port))
	for _, method := range []string{"GET", "POST"} {
		for name := range answers {
			t.Run(fmt.Sprintf("E7 %s %s", method, name), func(t *testing.T) {
				var wrong, failed atomic.Int64
				var clients sync.WaitGroup
				for range 8 {
					clients.Go(func() {
						for range 100 {
							got, err := w.try(method, w.port, "a.test", "/"+name)
							switch {
							case err != nil || got.status >= 400:
								failed.Add(1)
							case strings.Contains(got.body, "poison") || name == "nothing" && got.status != 204:
								wrong.Add(1)
							}
						}
					})
				}
				clients.Wait()
				// A POST is not made again (RFC 9110 section 9.2.2). One of 800 was seen to fail on a busy machine, here alone.
				spoilt := int64(0)
				if method == "POST" && name == "large" {
					spoilt = 8
				}
				if wrong.Load() > 0 || failed.Load() > spoilt {
					t.Errorf("of 800 answers %d are another's, %d requests failed", wrong.Load(), failed.Load())
				}
			})
		}
	}
}
