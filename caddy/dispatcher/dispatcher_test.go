package dispatcher

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

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

func TestDeltas(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port := w.serve("web-1")
	w.put("t1", w.row("a", "a.test", "web-1", port))
	patch := func(body any, status int, contains string) {
		t.Helper()
		got, answer := w.call("PATCH", "/gatewright/table", body)
		text, _ := json.Marshal(answer)
		if got != status || !strings.Contains(string(text), contains) {
			t.Errorf("got %d %s, want %d with %s", got, text, status, contains)
		}
	}
	patch(table.Delta{From: "t1", To: "t2", Remove: []string{"a"}, Upsert: []table.RowJSON{w.row("b", "b.test", "web-1", port)}}, 200, `"table":"t2"`)
	w.expect(w.get("a.test", "/"), 404, "")
	w.expect(w.get("b.test", "/"), 200, "web-1")
	patch(table.Delta{From: "t1", To: "t3"}, 412, `"error":`)
	unknown := w.row("u", "u.test", "web-1", port)
	unknown.Policy = "no-such-set"
	patch(table.Delta{From: "t2", To: "t3", Upsert: []table.RowJSON{unknown}}, 400, `"problems":[{"id":"u","problem":"policy \"no-such-set\"`)
	patch(table.Delta{From: "t2", To: "t3", Upsert: []table.RowJSON{w.row("c", "b.test", "x", 1)}}, 400, `{"id":"c","problem":"ties with row \"b\""}`)
	patch(table.Delta{From: "t2"}, 400, "to is missing")
	patch(`{"from":"t2","to":"t3","upserts":[]}`, 400, "unknown field")
	patch(`{"from":"t2","to":"t3"`, 400, "EOF")
	status, answer := w.call("PUT", "/gatewright/table", map[string]any{"version": "t3", "rows": []table.RowJSON{unknown}})
	if status != 400 || answer["problems"] == nil {
		t.Errorf("PUT: %d %v", status, answer)
	}
	status, answer = w.call("DELETE", "/gatewright/table", nil)
	if status != 405 || answer["error"] == nil {
		t.Errorf("DELETE: %d %v", status, answer)
	}
	w.expectState("c1", "t2", 1)
	w.expect(w.get("b.test", "/"), 200, "web-1")
}

func TestAReloadKeepsTheTable(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	w.expect(w.get("a.test", "/"), 200, "web-1")
	asked := w.dns.Asked("web-1.test.internal")
	w.load("c2", func(app map[string]any) { app["table_file"] = "/nonexistent" })
	w.expectState("c2", "t1", 1)
	w.expect(w.get("a.test", "/"), 200, "web-1")
	if again := w.dns.Asked("web-1.test.internal"); again != asked {
		t.Error("the reload forgot the address")
	}
}

func TestARefusedConfigurationLeavesTheOldOne(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	for name, edit := range map[string]func(app map[string]any){
		"a bad range":        func(app map[string]any) { app["guard"] = map[string]any{"deny": []string{"x"}} },
		"a misspelt field":   func(app map[string]any) { app["gard"] = map[string]any{} },
		"a resolver by name": func(app map[string]any) { app["resolver"] = map[string]any{"address": "localhost:53"} },
		"a negative min_ttl": func(app map[string]any) {
			app["resolver"] = map[string]any{"address": "127.0.0.1:53", "min_ttl": "-1s"}
		},
	} {
		if err := w.refuse("c2", edit); err == nil {
			t.Errorf("%s was taken", name)
		}
		w.expectState("c1", "t1", 1)
	}
	// A port that is taken is noticed only when apps start.
	taken, _ := backend(t, "127.0.0.1:0", "other")
	w.servers["taken"] = map[string]any{"listen": []string{"udp/127.0.0.1:" + strconv.Itoa(taken), "127.0.0.1:99999"}}
	if err := w.refuse("c2"); err == nil {
		t.Error("an impossible port was taken")
	}
	w.expectState("c1", "t1", 1)
	w.expect(w.get("a.test", "/"), 200, "web-1")
}

func TestTableFile(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "table.json")
	w.app["table_file"] = file
	// Caddy leaves the admin server of a configuration that it refuses behind, for a moment.
	refused := *w
	refused.admin = "127.0.0.1:" + strconv.Itoa(freeport.Find(t))
	if err := caddy.Load(refused.config("c1"), true); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("a missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"version":"t1","rows":[{"id":"a","host":"a.test"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(refused.config("c1"), true); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "port 0") {
		t.Fatalf("a bad row: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"version":"t1","rows":[],"policy_sets":{"x":{}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(refused.config("c1"), true); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "handle is empty") {
		t.Fatalf("a bad policy set: %v", err)
	}
	text, err := json.Marshal(w.table("t1", w.row("a", "a.test", "web-1", w.serve("web-1"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.load("c1")
	w.expectState("c1", "t1", 1)
	w.expect(w.get("a.test", "/"), 200, "web-1")
	// Once there is a table, the file does not count any more.
	w.put("t2")
	w.load("c2")
	w.expectState("c2", "t2", 0)
}

// TestFilesOfAnOlderVersion: its policy sets were in the configuration. Where a full disk keeps newer files out, a start has to do
// with these.
func TestFilesOfAnOlderVersion(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "table.json")
	whole := w.table("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	w.app["table_file"], w.app["policy_sets"] = file, whole["policy_sets"]
	delete(whole, "policy_sets")
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w.load("c1")
	w.expectState("c1", "t1", 1)
	w.expect(w.get("a.test", "/"), 200, "web-1")
	// They are the table's from then on.
	delete(w.app, "policy_sets")
	w.load("c2")
	w.expect(w.get("a.test", "/"), 200, "web-1")
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

func TestAMovedInstanceIsFoundWithinTheRequest(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port, old := backend(t, "127.0.0.2:0", "old")
	// A kept connection that closes under a POST is no failed dial: the instance may have got the request.
	old.Config.SetKeepAlivesEnabled(false)
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.2"}, TTL: time.Hour})
	w.put("t1", w.row("a", "a.test", "web", port))
	w.expect(w.get("a.test", "/"), 200, "old")
	old.Close()
	backend(t, fmt.Sprint("127.0.0.3:", port), "new")
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.3"}, TTL: time.Hour})
	w.expect(w.do("POST", w.port, "a.test", "/"), 200, "new")
	// And by a push, without a failed dial.
	backend(t, fmt.Sprint("127.0.0.4:", port), "pushed")
	status, answer := w.call("POST", "/gatewright/addresses", `{"names":{"web":{"addresses":["127.0.0.4"]}}}`)
	if status != 200 {
		t.Fatalf("%d %v", status, answer)
	}
	w.expect(w.get("a.test", "/"), 200, "pushed")
	w.call("POST", "/gatewright/addresses", `{"names":{"web":{"addresses":[]}}}`)
	w.expect(w.get("a.test", "/"), 503, "")
	w.call("POST", "/gatewright/addresses", `{"flush":true}`)
	w.expect(w.get("a.test", "/"), 200, "new")
	for _, bad := range []string{`{"names":{"web":{"addresses":["x"]}}}`, `{"names":{"web":{"adresses":[]}}}`, `{"names":{"":{"addresses":[]}}}`, `{"names":{"web":{"addresses":["fe80::1%eth0"]}}}`, `[]`, ``} {
		if status, _ := w.call("POST", "/gatewright/addresses", bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestOneOfSeveralAddressesIsDead(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port, _ := backend(t, "127.0.0.2:0", "alive")
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.2", "127.0.0.3"}, TTL: time.Hour})
	w.put("t1", w.row("a", "a.test", "web", port))
	for range 50 {
		w.expect(w.get("a.test", "/"), 200, "alive")
	}
}

func TestSeveralTargets(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	row := w.row("a", "a.test", "one", w.serve("one"))
	row.Targets = append(row.Targets, table.Target{Instance: "two", Port: w.serve("two")}, table.Target{Instance: "gone", Port: 80})
	w.put("t1", row)
	seen := map[string]bool{}
	for range 200 {
		got := w.get("a.test", "/")
		w.expect(got, 200, "")
		seen[got.body] = true
	}
	if !seen["one /"] || !seen["two /"] {
		t.Errorf("only %v", seen)
	}
}

func TestSlowDNSOfOneNameHoldsNoOther(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port := w.serve("quick")
	hold := make(chan struct{})
	w.dns.Set("slow.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, Hold: hold})
	w.put("t1", w.row("slow", "slow.test", "slow", port), w.row("quick", "quick.test", "quick", port))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.try("GET", w.port, "slow.test", "/")
	}()
	for w.dns.Asked("slow.test.internal") == 0 {
		time.Sleep(time.Millisecond)
	}
	w.expect(w.get("quick.test", "/"), 200, "quick")
	select {
	case <-done:
		t.Error("the quick request came after the slow one")
	default:
	}
	close(hold)
	<-done
}

func TestLastKnownAddressWhenDNSDies(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "web-1", w.serve("web-1")))
	w.expect(w.get("a.test", "/"), 200, "web-1")
	w.dns.Stop()
	w.call("POST", "/gatewright/addresses", `{"flush":true}`)
	w.expect(w.get("a.test", "/"), 200, "web-1")
}

func TestGuardedAddresses(t *testing.T) {
	w := newWorld(t)
	_, adminPort, _ := net.SplitHostPort(w.admin)
	own, _ := strconv.Atoi(adminPort)
	w.app["guard"] = map[string]any{"deny": []string{"10.0.0.0/8"}, "deny_local_ports": []int{own}, "allow_loopback": true}
	w.load("c1")
	port := w.serve("web-1")
	names := map[string]string{"admin": "127.0.0.1", "admin-mapped": "::ffff:127.0.0.1", "metadata": "169.254.169.254", "range": "10.1.2.3", "zero": "0.0.0.0"}
	if addrs, _ := net.InterfaceAddrs(); len(addrs) > 0 {
		for _, addr := range addrs {
			if ip := addr.(*net.IPNet).IP; !ip.IsLoopback() && ip.To4() != nil {
				names["interface"] = ip.String()
			}
		}
	}
	rows := []table.RowJSON{w.row("ok", "ok.test", "web-1", port), w.row("numeric", "numeric.test", "127.0.0.1", port)}
	for name, addr := range names {
		w.dns.Set(name+".test.internal", dnstest.Record{Addresses: []string{addr}, TTL: time.Minute})
		rows = append(rows, w.row(name, name+".test", name, own))
	}
	// An allowed address beside a refused one is used.
	w.dns.Set("mixed.test.internal", dnstest.Record{Addresses: []string{"169.254.1.1", "127.0.0.1"}})
	rows = append(rows, w.row("mixed", "mixed.test", "mixed", port))
	w.put("t1", rows...)
	for name, addr := range names {
		got := w.get(name+".test", "/config/")
		w.expect(got, 502, "ingress-"+name)
		if strings.Contains(got.body, addr) {
			t.Errorf("the page tells the address: %s", got.body)
		}
	}
	w.expect(w.get("ok.test", "/"), 200, "web-1")
	w.expect(w.get("mixed.test", "/"), 200, "web-1")
	// An instance whose name looks like an address is a name: only the DNS decides.
	w.expect(w.get("numeric.test", "/"), 503, "")
	// The loopback is shut by default.
	w.load("c2", func(app map[string]any) { app["guard"] = map[string]any{} })
	w.expect(w.get("ok.test", "/"), 502, "")
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

// gate is a handler that holds requests for `held.test` in front of the dispatcher.
type gate struct{}

var (
	gateEntered = make(chan struct{})
	gateOpen    = make(chan struct{})
)

func init() { caddy.RegisterModule(gate{}) }

func (gate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_gate", New: func() caddy.Module { return new(gate) }}
}

func (gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Host == "held.test" {
		gateEntered <- struct{}{}
		<-gateOpen
	}
	return next.ServeHTTP(w, r)
}

// TestAnOldGenerationMeetsANewRow has a request come to the dispatcher of the old configuration after the new one
// has taken over, with a row that only the new one has the set for.
func TestAnOldGenerationMeetsANewRow(t *testing.T) {
	w := newWorld(t)
	w.servers["main"] = map[string]any{
		"listen":          []string{"127.0.0.1:" + strconv.Itoa(w.port)},
		"automatic_https": map[string]any{"disable": true},
		"routes":          []any{map[string]any{"handle": []any{map[string]any{"handler": "test_gate"}, map[string]any{"handler": "gatewright"}}}},
	}
	w.load("c1")
	w.put("t1")
	held := make(chan answer)
	go func() {
		got, err := w.try("GET", w.port, "held.test", "/")
		if err != nil {
			t.Error(err)
		}
		held <- got
	}()
	<-gateEntered
	w.load("c2")
	w.sets["newer"] = map[string]any{"handle": []any{map[string]any{"handler": "static_response", "body": "newer"}}}
	row := w.row("a", "held.test", "x", 1)
	row.Policy = "newer"
	w.put("t2", row)
	gateOpen <- struct{}{}
	w.expect(<-held, 200, "newer")
}

func TestRequestsDuringPatches(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port := w.serve("web-1")
	w.put("0", w.row("stays", "stays.test", "web-1", port), w.row("swaps", "swaps.test", "web-1", port))
	served, stop := w.keepAsking(func(got answer) bool { return got.status != 200 }, "stays.test", "swaps.test")
	for i := 0; i < 200 || served.Load() < 200; i++ {
		from, to := strconv.Itoa(i), strconv.Itoa(i+1)
		upsert := []table.RowJSON{w.row("swaps", "swaps.test", "web-1", port), w.row("n"+to, "n"+to+".test", "web-1", port)}
		status, answer := w.patch(from, to, []string{"n" + from}, upsert...)
		if status != 200 {
			t.Errorf("%d %v", status, answer)
			break
		}
	}
	stop()
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

func TestIPv6Instances(t *testing.T) {
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6")
	} else {
		probe.Close()
	}
	w := newWorld(t)
	w.load("c1")
	port, _ := backend(t, "[::1]:0", "six")
	w.dns.Set("six.test.internal", dnstest.Record{Addresses: []string{"::1"}})
	w.put("t1", w.row("a", "a.test", "six", port))
	w.expect(w.get("a.test", "/"), 200, "six")
}
