package dispatcher

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/table"
)

// serve gives an instance an address and a backend of its own there.
func (w *world) serve(instance string) (port int) {
	w.t.Helper()
	port, _ = backend(w.t, "127.0.0.1:0", instance)
	w.named(instance)
	return port
}

// named has DNS find the instance at 127.0.0.1.
func (w *world) named(instance string) {
	w.dns.Set(instance+".test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, TTL: time.Minute})
}

func (w *world) expect(got answer, status int, body string) {
	w.t.Helper()
	if got.status != status || !strings.Contains(got.body, body) {
		w.t.Errorf("got %d %q, want %d with %q", got.status, got.body, status, body)
	}
}

func (w *world) expectState(config, version string, rows float64) {
	w.t.Helper()
	status, state := w.call("GET", "/gatewright/state", nil)
	if status != 200 || state["config"] != config || state["table"] != version || state["rows"] != rows {
		w.t.Errorf("state: %d %v, want config %q, table %q, %v rows", status, state, config, version, rows)
	}
}

func TestRequestsReachTheirInstance(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1",
		w.row("a", "a.example.com", "web-1", w.serve("web-1")),
		w.row("p", "{name}.dev.example.com", "dev-{name}", w.serve("dev-7")))
	w.expect(w.get("A.example.com:1234", "/x?y=1"), 200, "web-1 /x?y=1")
	w.expect(w.get("7.dev.example.com", "/"), 200, "dev-7 /")
	w.expectState("c1", "t1", 2)
}

func TestUnknownHosts(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1", w.row("a", "a.example.com", "web-1", 80))
	for host, shown := range map[string]string{"Zzz.test:99": "Zzz.test", "zzz.test.": "zzz.test.", "[::1]:80": "::1", "10.0.0.1": "10.0.0.1"} {
		got := w.get(host, "/")
		if got.status != 404 || got.body != "Not Found: no ingress configured for hostname "+shown {
			t.Errorf("%s: got %d %q", host, got.status, got.body)
		}
		if contentType := got.header.Get("Content-Type"); contentType != "text/plain; charset=utf-8" {
			t.Errorf("content type %q", contentType)
		}
	}
}

// C11: a host that is known is not said to be unknown.
func TestKnownHostsWhoseRulesDoNotFit(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	narrow := w.row("a", "a.example.com", "web-1", 80)
	narrow.Path = &table.Path{Type: "prefix", Value: "/api"}
	pattern := w.row("p", "{x}.dev.test", "{x}", 80)
	pattern.Methods = []string{"POST"}
	w.put("t1", narrow, pattern)
	for host, path := range map[string]string{"a.example.com": "/", "A.example.com:1": "/apis", "one.dev.test": "/"} {
		got := w.get(host, path)
		if got.status != 404 || !strings.HasPrefix(got.body, "Not Found: no rule of hostname ") {
			t.Errorf("%s%s: got %d %q", host, path, got.status, got.body)
		}
	}
	w.expect(w.get("b.example.com", "/api"), 404, "no ingress configured for hostname b.example.com")
}

func TestThePortIsTheListenersNotTheHostHeaders(t *testing.T) {
	w := newWorld(t)
	other := freeport.Find(t)
	w.servers["other"] = map[string]any{
		"listen":          []string{"127.0.0.1:" + strconv.Itoa(other)},
		"automatic_https": map[string]any{"disable": true},
		"routes":          []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	w.expect(w.get(fmt.Sprint("a.test:", other), "/"), 200, "web-1")
	w.expect(w.do("GET", other, fmt.Sprint("a.test:", w.port), "/"), 404, "a.test")
}

func TestHeaderAuth(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"proxy": proxySet, "secret": checked(proxySet)}
	w.load("c1")
	port := w.serve("web-1")
	secret := strings.Repeat("s3cret", 8)
	sum := sha256.Sum256([]byte(secret))
	row, unchecked, keyless := w.row("a", "a.test", "web-1", port), w.row("b", "b.test", "web-1", port), w.row("c", "c.test", "web-1", port)
	row.Auth = &table.Auth{Header: "x-key", SHA256: hex.EncodeToString(sum[:])}
	unchecked.Auth = row.Auth
	row.Policy, keyless.Policy = "secret", "secret"
	w.put("t1", row, unchecked, keyless)
	for name, c := range map[string]struct {
		host   string
		values []string
		status int
		body   string
	}{
		"no header":                       {"a.test", nil, 403, "lacks the header"},
		"another value":                   {"a.test", []string{secret + "x"}, 403, "lacks the header"},
		"no value":                        {"a.test", []string{""}, 403, "lacks the header"},
		"the value among others":          {"a.test", []string{"x", secret}, 200, "web-1"},
		"a set that does not check it":    {"b.test", []string{secret}, 503, ""},
		"a set that checks what is not":   {"c.test", []string{secret}, 500, ""},
		"nothing where nothing is named":  {"c.test", nil, 500, ""},
		"the value, and nobody sees more": {"a.test", []string{secret}, 200, "web-1"},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			for _, value := range c.values {
				header = append(header, "X-Key", value)
			}
			asked := w.dns.Asked("web-1.test.internal")
			got := w.get(c.host, "/", header...)
			w.expect(got, c.status, c.body)
			if got.header.Get("X-Seen-Key") != "" {
				t.Error("the instance saw the secret")
			}
			if c.status != 200 && w.dns.Asked("web-1.test.internal") != asked {
				t.Error("a request without the secret led to a lookup")
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	redirect := func(id, host string, port int) table.RowJSON {
		return table.RowJSON{ID: id, Ingress: id, Port: w.port, Host: host, Redirect: &table.Redirect{Port: port}}
	}
	w.put("t1", redirect("a", "a.test", 443), redirect("b", "b.test", 8443), redirect("all", "*", 443),
		w.row("explicit", "b.test", "web-1", w.serve("web-1")), redirect("c", "c.test", 443))
	for _, c := range []struct {
		method, host, path string
		status             int
		location           string
	}{
		{"GET", "A.test:8080", "/x/../y?z=%20", 301, "https://a.test/x/../y?z=%20"},
		{"HEAD", "a.test", "/", 301, "https://a.test/"},
		{"POST", "a.test", "/form", 308, "https://a.test/form"},
		{"GET", "a.test", "//evil.test/x", 301, "https://a.test//evil.test/x"},
		{"GET", "[::1]:80", "/x", 301, "https://[::1]/x"},
		{"GET", "anything.test.", "/x", 301, "https://anything.test/x"},
		{"GET", "b.test", "/", 200, ""},
		{"GET", "we!rd'host", "/", 400, ""},
	} {
		got := w.do(c.method, w.port, c.host, c.path)
		if got.status != c.status || got.header.Get("Location") != c.location {
			t.Errorf("%s %s%s: got %d %q", c.method, c.host, c.path, got.status, got.header.Get("Location"))
		}
	}
	// What no client library sends: an opaque target whose text would continue the host, and an absolute one.
	for target, want := range map[string]string{"x:.evil.test/": "https://a.test/", "http://evil.test/p?q": "https://evil.test/p?q", "http://a.test/p?q": "https://a.test/p?q"} {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", target)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Location"); got != want && response.StatusCode != 400 {
			t.Errorf("%s: got %d %q, want %q", target, response.StatusCode, got, want)
		}
		conn.Close()
	}
}

func TestErrorPages(t *testing.T) {
	w := newWorld(t)
	impatient := proxySetBy(map[string]any{"protocol": "gatewright", "response_header_timeout": "100ms"})
	w.sets = map[string]any{"proxy": proxySet, "impatient": impatient, "refusing": map[string]any{"handle": []any{
		map[string]any{"handler": "error", "status_code": "429", "error": "internal words"},
	}}, "open": map[string]any{"handle": []any{map[string]any{"handler": "headers"}}}}
	w.load("c1")
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	w.dns.Set("here.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	evil := w.row("evil", "evil.test", "nobody", 80)
	evil.Ingress = `<script>"`
	refusing := w.row("r", "refusing.test", "here", 80)
	refusing.Policy = "refusing"
	open := w.row("o", "open.test", "here", 80)
	open.Policy = "open"
	silent := w.row("hung", "hung.test", "here", hung.Addr().(*net.TCPAddr).Port)
	silent.Policy = "impatient"
	w.put("t1", w.row("none", "none.test", "nobody", 80), w.row("dead", "dead.test", "here", freeport.Find(t)), silent, evil, refusing, open)
	for _, c := range []struct {
		host, accept, contentType, body string
		status                          int
	}{
		{"none.test", "", "text/plain; charset=utf-8", `503 Service Unavailable: Ingress "ingress-none" has no instance`, 503},
		{"dead.test", "*/*", "text/plain; charset=utf-8", `502 Bad Gateway: The instance behind ingress "ingress-dead" could not be reached.`, 502},
		{"hung.test", "application/json, */*", "application/json", `{"code":"gateway_timeout","message":"The instance behind ingress \"ingress-hung\" did not answer in time.","ingress":"ingress-hung","request_id":"`, 504},
		{"dead.test", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "<h1>502 Bad Gateway</h1>", 502},
		{"dead.test", "text/html;q=0.5, application/problem+json", "application/json", `"code":"bad_gateway"`, 502},
		{"evil.test", "text/html", "text/html; charset=utf-8", `\&lt;script&gt;\&#34;`, 503},
		{"refusing.test", "", "text/plain; charset=utf-8", `429 Too Many Requests: Too many requests to ingress "ingress-r"; try again later.`, 429},
		{"open.test", "", "text/plain; charset=utf-8", `500 Internal Server Error`, 500},
	} {
		got := w.get(c.host, "/", "Accept", c.accept)
		body := c.body
		if c.host == "evil.test" {
			body = "&lt;script&gt;"
		}
		if got.status != c.status || got.header.Get("Content-Type") != c.contentType || !strings.Contains(got.body, body) {
			t.Errorf("%s %q: got %d %q %q", c.host, c.accept, got.status, got.header.Get("Content-Type"), got.body)
		}
		if (got.header.Get("Retry-After") != "") != (c.status == 503) {
			t.Errorf("%s: Retry-After %q", c.host, got.header.Get("Retry-After"))
		}
		for _, internal := range []string{"127.0.0.1", "nobody", "here", "internal", "refused", "<script>", "lookup", "dial"} {
			if strings.Contains(strings.ReplaceAll(got.body, "Internal Server Error", ""), internal) {
				t.Errorf("%s: the page tells %q: %s", c.host, internal, got.body)
			}
		}
	}
	response, err := w.try("HEAD", w.port, "dead.test", "/")
	if err != nil || response.status != 502 || response.body != "" {
		t.Errorf("HEAD: %+v %v", response, err)
	}
}

func TestVariables(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"proxy": map[string]any{"handle": []any{
		map[string]any{"handler": "static_response", "body": "{http.vars.gatewright.rule} {http.vars.gatewright.ingress}"},
	}}}
	w.load("c1")
	w.put("t1", w.row("a/0", "a.test", "x", 1))
	w.expect(w.get("a.test", "/"), 200, "a/0 ingress-a/0")
}

func TestHandlersOfASetRunInOrder(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"proxy": map[string]any{"handle": []any{
		map[string]any{"handler": "headers", "response": map[string]any{"set": map[string]any{"X-First": []string{"1"}}}},
		map[string]any{"handler": "rewrite", "uri": "/rewritten"},
		proxySet["handle"].([]any)[0],
	}}}
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	got := w.get("a.test", "/")
	w.expect(got, 200, "web-1 /rewritten")
	if got.header.Get("X-First") != "1" {
		t.Error("the first handler did not run")
	}
}

// TestDocumentedConfiguration loads the example of the documentation of package app.
func TestDocumentedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../app/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	inside := false
	for line := range strings.SplitSeq(string(text), "\n") {
		code, indented := strings.CutPrefix(line, "//\t")
		if indented && !inside {
			blocks = append(blocks, "")
		}
		if inside = indented; indented {
			blocks[len(blocks)-1] += code + "\n"
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	w := newWorld(t)
	local := strings.NewReplacer("8000", strconv.Itoa(w.port), "127.0.0.1:5353", w.dns.Address)
	config := local.Replace(blocks[0])
	config = strings.Replace(config, "{", fmt.Sprintf(`{"admin":{"listen":%q,"config":{"persist":false}},"logging":{"logs":{"default":{"level":"FATAL"}}},`, w.admin), 1)
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	w.dns.Set("web-1.hypeman.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	port, _ := backend(t, "127.0.0.1:0", "documented")
	status, answer := w.call("PUT", "/gatewright/table", strings.Replace(local.Replace(blocks[1]), "8080", strconv.Itoa(port), 1))
	if status != 200 {
		t.Fatalf("%d %v", status, answer)
	}
	w.expect(w.get("web-1.example.com", "/"), 200, "documented")
}
