package dispatcher

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/table"
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
	chatty := func(conn net.Conn) {
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
	}
	w.sets["plain"] = proxySet
	w.sets["TLS"] = proxySetBy(map[string]any{"protocol": "gatewright_http", "tls": map[string]any{"insecure_skip_verify": true}})
	w.sets["PROXY"] = proxySetBy(map[string]any{"protocol": "gatewright_http", "proxy_protocol": "v1"})
	overTLS := certtest.Server(t, "chatty.test")
	ways := map[string]func(net.Conn){
		"plain": chatty,
		"TLS":   func(conn net.Conn) { chatty(tls.Server(conn, overTLS)) },
		"PROXY": func(conn net.Conn) {
			// The header ends the first line.
			for one := make([]byte, 1); one[0] != '\n'; {
				if _, err := conn.Read(one); err != nil {
					return
				}
			}
			chatty(conn)
		},
	}
	var rows []table.RowJSON
	for way, serve := range ways {
		name := "chatty-" + strings.ToLower(way)
		row := w.row(way, name+".test", name, w.instance(name, serve))
		row.Policy = way
		rows = append(rows, row)
	}
	w.put("t1", rows...)
	for _, row := range rows {
		for _, method := range []string{"GET", "POST"} {
			for name := range answers {
				t.Run(fmt.Sprintf("E7 %s %s %s", row.Policy, method, name), func(t *testing.T) {
					var mu sync.Mutex
					spoilt := map[string]int{}
					var clients sync.WaitGroup
					for range 8 {
						clients.Go(func() {
							for range 40 {
								got, err := w.try(method, w.port, row.Host, "/"+name)
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
						t.Errorf("of 320 answers these are spoilt: %v", spoilt)
					}
				})
			}
		}
	}
}

// TestMoreToSaySecond holds E7 over HTTP/2: frames belong to a stream, so that what an instance sends behind an answer, even
// when the next request is under way, is no answer to that one.
func TestMoreToSaySecond(t *testing.T) {
	w := newWorld(t)
	w.sets["h2c"] = proxySetBy(map[string]any{"protocol": "gatewright_http", "versions": []string{"h2c"}})
	w.load("c1")
	var late atomic.Int64
	port := w.instance("chatty", func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		_ = framer.WriteSettings()
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		answer := func(stream uint32, body string) {
			block.Reset()
			_ = encoder.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true})
			_ = framer.WriteData(stream, true, []byte(body))
		}
		last := uint32(0)
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if head, ok := frame.(*http2.MetaHeadersFrame); ok {
				if last != 0 {
					late.Add(1)
					answer(last, "poison")
				}
				last = head.StreamID
				answer(last, "ok")
			}
		}
	})
	row := w.row("a", "a.test", "chatty", port)
	row.Policy = "h2c"
	w.put("t1", row)
	for range 200 {
		if got := w.get("a.test", "/"); got.status != 200 || got.body != "ok" {
			t.Fatalf("%d %q", got.status, got.body)
		}
	}
	if late.Load() == 0 {
		t.Error("no connection was used again")
	}
}
