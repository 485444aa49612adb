package dispatcher

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
)

// TestAnUploadThatStalls holds E9: where our limit ended the reading the answer is 408, though the same expired deadline has
// net/http cancel the request as if the client had left.
func TestAnUploadThatStalls(t *testing.T) {
	w := newWorld(t)
	w.servers["main"] = map[string]any{
		"listen":            []string{"gatewright/127.0.0.1:" + strconv.Itoa(w.port)},
		"automatic_https":   map[string]any{"disable": true},
		"read_idle_timeout": "5ms",
		"routes":            []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}
	w.sets = map[string]any{
		"own":  proxySetBy(map[string]any{"protocol": "gatewright"}),
		"http": proxySetBy(map[string]any{"protocol": "gatewright_http"}),
		"h2c":  proxySetBy(map[string]any{"protocol": "gatewright_http", "versions": []string{"h2c"}}),
	}
	w.load("c1")
	first, second := w.instance("first", replies(nil)), w.instance("second", replySecond(nil))
	own, http, h2c := w.row("own", "own.test", "first", first), w.row("http", "http.test", "first", first), w.row("h2c", "h2c.test", "second", second)
	own.Policy, http.Policy, h2c.Policy = "own", "http", "h2c"
	w.put("t1", own, http, h2c)
	for name := range w.sets {
		for _, method := range []string{"POST", "GET"} {
			for _, length := range []string{"Content-Length: 10\r\n\r\n01234", "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"} {
				text := fmt.Sprintf("%s / HTTP/1.1\r\nHost: %s.test\r\n%s", method, name, length)
				var mu sync.Mutex
				got := map[int]int{}
				var clients sync.WaitGroup
				for range 16 {
					clients.Go(func() {
						for range 12 {
							status := w.sendRaw(text, false)
							mu.Lock()
							got[status]++
							mu.Unlock()
						}
					})
				}
				clients.Wait()
				if got[408] != 16*12 {
					t.Errorf("E9 %s %s %q: statuses %v", name, method, length[:8], got)
				}
			}
		}
	}
}
