package dispatcher

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatewright.dev/caddy/table"
)

// proxySetBy is the proxy's set with another transport.
func proxySetBy(transport map[string]any) map[string]any {
	return map[string]any{"handle": []any{map[string]any{
		"handler":           "reverse_proxy",
		"dynamic_upstreams": map[string]any{"source": "gatewright"},
		"load_balancing":    map[string]any{"retries": 1},
		"transport":         transport,
	}}}
}

// instance serves connections by hand, and returns its port.
func (w *world) instance(name string, serve func(net.Conn)) (port int) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	w.named(name)
	return listener.Addr().(*net.TCPAddr).Port
}

// replies has an instance of HTTP/1.1 answer each request with the text that its path names.
func replies(texts map[string]string) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			request, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			if _, err := io.WriteString(conn, texts[request.URL.Path]); err != nil {
				return
			}
		}
	}
}

// replySecond has an instance of HTTP/2 answer each request with the header blocks that its path names.
func replySecond(blocks map[string][]string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		_ = framer.WriteSettings()
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			head, ok := frame.(*http2.MetaHeadersFrame)
			if !ok {
				continue
			}
			statuses := blocks[head.PseudoValue("path")]
			for i, status := range statuses {
				var block bytes.Buffer
				_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: status})
				_ = framer.WriteHeaders(http2.HeadersFrameParam{
					StreamID: head.StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: i == len(statuses)-1,
				})
			}
		}
	}
}

// TestImpossibleAnswers holds E7: what is no answer to the request that was sent is 502, by each transport.
func TestImpossibleAnswers(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{
		"own":   proxySet,
		"http":  proxySetBy(map[string]any{"protocol": "gatewright_http"}),
		"h2c":   proxySetBy(map[string]any{"protocol": "gatewright_http", "versions": []string{"h2c"}}),
		"proxy": proxySet,
	}
	w.load("c1")
	const end = "\r\nContent-Length: 2\r\n\r\nok"
	first := w.instance("first", replies(map[string]string{
		"/fine":      "HTTP/1.1 299 Fine" + end,
		"/zero":      "HTTP/1.1 000 Nothing" + end,
		"/low":       "HTTP/1.1 042 Low" + end,
		"/99":        "HTTP/1.1 099 Low" + end,
		"/bare":      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"/websocket": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"/h2c":       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"/nameless":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
		"/late":      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
	}))
	second := w.instance("second", replySecond(map[string][]string{
		"/fine": {"299"}, "/zero": {"000"}, "/low": {"42"}, "/99": {"99"}, "/1000": {"1000"}, "/101": {"101", "200"},
	}))
	routes := []struct{ policy, instance string }{{"own", "first"}, {"http", "first"}, {"h2c", "second"}}
	ports := map[string]int{"first": first, "second": second}
	for i, r := range routes {
		row := w.row(r.policy, r.policy+".test", r.instance, ports[r.instance])
		row.Policy = r.policy
		if i == 0 {
			w.put("t0", row)
		} else if status, answer := w.patch(fmt.Sprint("t", i-1), fmt.Sprint("t", i), nil, row); status != 200 {
			t.Fatal(status, answer)
		}
	}
	paths := map[string][]string{
		"own":  {"/zero", "/low", "/99", "/bare", "/websocket", "/h2c", "/nameless", "/late"},
		"http": {"/zero", "/low", "/99", "/bare", "/websocket", "/h2c", "/nameless", "/late"},
		"h2c":  {"/zero", "/low", "/99", "/1000", "/101"},
	}
	for policy, paths := range paths {
		host := policy + ".test"
		for _, method := range []string{"GET", "HEAD", "POST", "PUT"} {
			t.Run(fmt.Sprintf("E7 %s %s", policy, method), func(t *testing.T) {
				if got := w.do(method, w.port, host, "/fine"); got.status != 299 {
					t.Errorf("/fine: %d", got.status)
				}
				for _, path := range paths {
					if got := w.do(method, w.port, host, path); got.status != 502 {
						t.Errorf("%s: %d %q", path, got.status, got.body)
					}
				}
			})
		}
	}
	t.Run("E7 another protocol than the one that was asked for", func(t *testing.T) {
		for _, host := range []string{"own.test", "http.test"} {
			for path, status := range map[string]int{"/websocket": 101, "/h2c": 502, "/bare": 502, "/nameless": 502} {
				if got := w.upgrade(host, path); got != status {
					t.Errorf("%s%s: %d, want %d", host, path, got, status)
				}
			}
		}
	})
}

// upgrade asks for WebSocket, and returns the answer's status.
func (w *world) upgrade(host, path string) int {
	w.t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", path, host)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode
}

// TestInterimFloods has E7's other half: an instance that never comes to its answer is given up.
func TestInterimFloods(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"own": proxySet, "http": proxySetBy(map[string]any{"protocol": "gatewright_http"})}
	w.load("c1")
	flood := func(hint string) func(net.Conn) {
		return func(conn net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			for {
				if _, err := io.WriteString(conn, hint); err != nil {
					return
				}
			}
		}
	}
	row := func(policy, instance, hint string) table.RowJSON {
		r := w.row(policy+instance, policy+instance+".test", instance, w.instance(instance, flood(hint)))
		r.Policy = policy
		return r
	}
	many, large := "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 10_000)+"\r\n\r\n"
	w.put("t1", row("own", "many", many), row("http", "many", many), row("own", "large", large), row("http", "large", large))
	for _, host := range []string{"ownmany.test", "httpmany.test", "ownlarge.test", "httplarge.test"} {
		for _, method := range []string{"GET", "POST"} {
			if got := w.do(method, w.port, host, "/"); got.status != 502 {
				t.Errorf("E7 %s %s: %d", method, host, got.status)
			}
		}
	}
}

// TestOneContinue holds E13: the server has sent one, and a second one would be taken for the answer.
func TestOneContinue(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port := w.instance("eager", func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	})
	w.put("t1", w.row("a", "a.test", "eager", port))
	for expect, continues := range map[string]int{"Expect: 100-continue\r\n": 1, "": 0} {
		for _, method := range []string{"GET", "POST"} {
			conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 5\r\n%s\r\n", method, expect)
			_, _ = io.WriteString(conn, "hello")
			text, err := io.ReadAll(conn)
			conn.Close()
			got := strings.Count(string(text), " 100 Continue\r\n")
			if err != nil || got != continues || !strings.HasSuffix(string(text), "\r\n\r\nok") {
				t.Errorf("E13 %s %q: %d times 100 in %q", method, expect, got, text)
			}
		}
	}
}
