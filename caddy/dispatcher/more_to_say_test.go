package dispatcher

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestMoreToSay holds E7: what an instance sends behind its answer is nobody's answer. Here it comes with the answer; what
// comes after the next request has begun to be written cannot be told from its answer (RFC 9112 section 9.3).
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
	statuses := map[string]int{"length": 200, "chunks": 200, "nothing": 204, "large": 200}
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
				var mu sync.Mutex
				spoilt := map[string]int{}
				var clients sync.WaitGroup
				for range 8 {
					clients.Go(func() {
						for range 100 {
							got, err := w.try(method, w.port, "a.test", "/"+name)
							if err == nil && got.status == statuses[name] && !strings.Contains(got.body, "poison") {
								continue
							}
							mu.Lock()
							spoilt[fmt.Sprintf("%d %.60q %v", got.status, got.body, err)]++
							mu.Unlock()
						}
					})
				}
				clients.Wait()
				if len(spoilt) > 0 {
					t.Errorf("of 800 answers these are spoilt: %v", spoilt)
				}
			})
		}
	}
}
