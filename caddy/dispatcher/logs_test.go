package dispatcher

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/internal/otlptest"
)

// logWorld is a world that logs to the file that it returns, with the instance web-1 and these settings of the app.
func logWorld(t *testing.T, app map[string]any) (w *world, file string, port int) {
	w = newWorld(t)
	w.dns.Set("web-1.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, TTL: time.Minute})
	file = filepath.Join(t.TempDir(), "access.log")
	w.app = app
	log, _ := app["access_log"].(map[string]any)
	if log == nil {
		log = map[string]any{}
		app["access_log"] = log
	}
	log["writer"] = map[string]any{"output": "file", "filename": file, "roll_gzip": false}
	port, _ = backend(t, "127.0.0.1:0", "web-1")
	return w, file, port
}

// logged reads so many lines of a log, and no more.
func linesOf(t *testing.T, file string, count int) (lines []map[string]any) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		whole := strings.Count(string(text), "\n")
		if whole < count && time.Now().Before(deadline) {
			continue
		}
		for line := range strings.Lines(string(text)) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			lines = append(lines, fields)
		}
		if len(lines) != count {
			t.Fatalf("%d lines, want %d:\n%s", len(lines), count, text)
		}
		return lines
	}
}

func expect(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if line[key] != value {
			t.Errorf("%s is %v, want %v, of %v", key, line[key], value, line)
		}
	}
}

func TestLinesOfRequests(t *testing.T) {
	w, file, port := logWorld(t, map[string]any{"access_log": map[string]any{"log": "all"}})
	w.sets["refusing"] = map[string]any{"handle": []any{map[string]any{"handler": "gatewright_refuse", "status": 429, "reason": "too often", "policy": "rate_limit"}}}
	w.load("v1")
	refusing := w.row("refusing/0", "refusing.test", "web-1", port)
	refusing.Policy = "refusing"
	w.put("t1", w.row("shop/0", "shop.test", "web-1", port), w.row("dead/0", "dead.test", "web-1", freeport.Find(t)), refusing)
	got := w.get("shop.test", "/cart%20a?token=marked", "User-Agent", "curl/8", "Referer", "https://ann:marked@search.test/a?q=marked#x",
		"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Authorization", "Bearer marked", "Cookie", "id=marked")
	w.get("dead.test", "/")
	w.get("refusing.test", "/")
	w.get("none.test", "/")
	conn, err := net.Dial("tcp", "127.0.0.1:"+itoa(w.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("GET http://ann:marked@none.test/?marked HTTP/1.1\r\nHost: none.test\r\nConnection: close\r\n\r\n"))
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Fatalf("%q", answer)
	}
	lines := linesOf(t, file, 5)
	expect(t, lines[0], map[string]any{
		"kind": "request", "request_id": got.header.Get(requestIDHeader), "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
		"ingress": "ingress-shop/0", "rule": "shop/0", "client": "127.0.0.1", "protocol": "HTTP/1.1", "method": "GET", "host": "shop.test",
		"path": "/cart a", "query": nil, "status": 200.0, "target": "web-1", "address": "127.0.0.1:" + itoa(port), "upstream_status": 200.0,
		"user_agent": "curl/8", "referer": "https://search.test/a", "received": 0.0, "sent": float64(len(got.body)), "cause": nil,
	})
	for _, key := range []string{"time", "duration_ms", "connect_ms", "first_byte_ms", "upstream_ms"} {
		if lines[0][key] == nil {
			t.Errorf("%s is missing in %v", key, lines[0])
		}
	}
	expect(t, lines[1], map[string]any{"ingress": "ingress-dead/0", "status": 502.0, "cause": "refused", "target": "web-1", "retries": 1.0, "upstream_status": nil})
	expect(t, lines[2], map[string]any{"status": 429.0, "policy": "rate_limit", "reason": "too often", "address": nil})
	expect(t, lines[3], map[string]any{"status": 404.0, "miss": "host", "host": "none.test", "ingress": nil, "rule": nil})
	expect(t, lines[4], map[string]any{"status": 400.0, "miss": "target", "host": "none.test", "path": "/"})
	if text, _ := os.ReadFile(file); strings.Contains(string(text), "marked") {
		t.Errorf("a secret is in the log:\n%s", text)
	}
}

func itoa(n int) string { return (&net.TCPAddr{Port: n}).String()[1:] }

// stop has the process write and send what waits, as at its end.
func stop(t *testing.T) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}

// What the settings and the rules say is logged, and nothing else; a rule's own word needs no load.
func TestWhatIsLogged(t *testing.T) {
	for mode, want := range map[string][]string{
		"all":    {"good", "bad", "good all", "bad all", "bad errors"},
		"errors": {"bad", "good all", "bad all", "bad errors"},
		"off":    {"good all", "bad all", "bad errors"},
	} {
		t.Run(mode, func(t *testing.T) {
			w, file, port := logWorld(t, map[string]any{"access_log": map[string]any{"log": mode, "query": true, "client": "masked"}})
			for _, own := range []string{"all", "errors", "off"} {
				set := map[string]any{"access_log": own}
				for key, value := range proxySet {
					set[key] = value
				}
				w.sets[own] = set
			}
			w.load("v1")
			closed := freeport.Find(t)
			w.put("t1", w.row("good/0", "good.test", "web-1", port), w.row("bad/0", "bad.test", "web-1", closed))
			for _, own := range []string{"all", "errors", "off"} {
				for name, to := range map[string]int{"good": port, "bad": closed} {
					row := w.row(name+own, name+own+".test", "web-1", to)
					row.Policy = own
					state := currentTable(w)
					w.change(state, state+"+", nil, row)
				}
			}
			hosts := []string{"good", "bad", "goodall", "badall", "gooderrors", "baderrors", "goodoff", "badoff"}
			for _, host := range hosts {
				w.get(host+".test", "/?a=b")
			}
			var got []string
			for _, line := range linesOf(t, file, len(want)) {
				expect(t, line, map[string]any{"query": "a=b", "client": "127.0.0.0"})
				got = append(got, strings.TrimSuffix(line["host"].(string), ".test"))
			}
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], " ", "")
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func currentTable(w *world) string {
	_, state := w.call("GET", "/gatewright/state", nil)
	return state["table"].(string)
}

// A reload loses no line and no span, and what waits is written and sent when the process ends.
func TestLogsAndSpansThroughReloads(t *testing.T) {
	receiver := otlptest.StartGRPC(t)
	w, file, port := logWorld(t, map[string]any{
		"access_log": map[string]any{"log": "all", "client": "none"}, "tracing": map[string]any{"endpoint": receiver.URL},
	})
	w.load("v1")
	w.put("t1", w.row("shop/0", "shop.test", "web-1", port))
	const loads = 5
	for i := range loads {
		w.get("shop.test", "/?token=marked")
		w.load("v" + itoa(i+2))
	}
	lines := linesOf(t, file, loads)
	stop(t)
	var servers []*otlptest.Span
	for _, span := range receiver.Spans() {
		if span.Parent() == "" {
			servers = append(servers, span)
		}
	}
	if len(servers) != loads {
		t.Fatalf("%d spans of requests", len(servers))
	}
	for i, span := range servers {
		line := lines[i]
		expect(t, line, map[string]any{"trace_id": span.Trace(), "request_id": span.Attributes["gatewright.request_id"], "client": nil})
		expect(t, span.Attributes, map[string]any{"gatewright.ingress": "ingress-shop/0", "url.path": "/", "http.response.status_code": int64(200), "client.address": nil})
	}
	if strings.Contains(string(receiver.Raw()), "marked") {
		t.Error("a query was sent")
	}
}

// The instance's traceparent is that of the attempt which asks it, and policies are before it.
func TestSpansOfARequestThatIsTriedAgain(t *testing.T) {
	receiver := otlptest.StartGRPC(t)
	w, _, _ := logWorld(t, map[string]any{"tracing": map[string]any{"endpoint": receiver.URL}})
	var told []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get("Traceparent"))
	}))
	defer server.Close()
	w.load("v1")
	port := server.Listener.Addr().(*net.TCPAddr).Port
	w.put("t1", w.row("shop/0", "shop.test", "web-1", port), w.row("dead/0", "dead.test", "web-1", freeport.Find(t)))
	w.get("shop.test", "/", "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w.get("dead.test", "/")
	w.get("none.test", "/")
	stop(t)
	byName := map[string][]string{}
	spans := receiver.Spans()
	roots := map[string]*otlptest.Span{}
	for _, span := range spans {
		if span.Parent() == "" {
			roots[span.Trace()] = span
		}
	}
	for _, span := range spans {
		root := roots[span.Trace()]
		host := root.Attributes["server.address"].(string)
		byName[host] = append(byName[host], span.Kind.String()[len("SPAN_KIND_"):]+" "+span.Name)
		if host == "shop.test" && span.Kind.String() == "SPAN_KIND_CLIENT" && told[0] != "00-"+span.Trace()+"-"+span.ID()+"-01" {
			t.Errorf("the instance was told %v", told)
		}
		if span.Trace() == "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Error("the trace of a client that nobody trusts goes on")
		}
	}
	for host, want := range map[string][]string{
		"shop.test": {"INTERNAL policies", "INTERNAL select", "CLIENT GET", "SERVER GET ingress-shop/0"},
		"dead.test": {"INTERNAL policies", "INTERNAL select", "CLIENT GET", "INTERNAL select", "CLIENT GET", "SERVER GET ingress-dead/0"},
		"none.test": {"SERVER GET"},
	} {
		if !slices.Equal(byName[host], want) {
			t.Errorf("%s: %q, want %q", host, byName[host], want)
		}
	}
}

// The question to forward auth is a part of the policies, and the service is told of it.
func TestForwardAuthIsASpanOfThePolicies(t *testing.T) {
	receiver := otlptest.StartGRPC(t)
	w, _, port := logWorld(t, map[string]any{"tracing": map[string]any{"endpoint": receiver.URL}})
	var told string
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = r.Header.Get("Traceparent")
		if r.Header.Get("X-Pass") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer auth.Close()
	question := map[string]any{
		"handler":           "reverse_proxy",
		"dynamic_upstreams": map[string]any{"source": "gatewright_host", "host": "127.0.0.1", "port": auth.Listener.Addr().(*net.TCPAddr).Port},
		"rewrite":           map[string]any{"method": "GET", "uri": "/verify?key=marked"},
		"transport":         map[string]any{"protocol": "gatewright"},
		"handle_response": []any{
			map[string]any{
				"match":  map[string]any{"status_code": []int{2}},
				"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "vars"}}}},
			},
			map[string]any{"routes": []any{map[string]any{"handle": []any{
				map[string]any{"handler": "gatewright_count"}, map[string]any{"handler": "copy_response"},
			}}}},
		},
	}
	w.sets["proxy"] = map[string]any{"handle": append([]any{question}, proxySet["handle"].([]any)...)}
	w.load("v1")
	w.put("t1", w.row("shop/0", "shop.test", "web-1", port))
	w.get("shop.test", "/", "X-Pass", "1")
	passed := told
	w.get("shop.test", "/")
	stop(t)
	names := map[string]*otlptest.Span{}
	var got []string
	for _, span := range receiver.Spans() {
		names[span.ID()] = span
	}
	for _, span := range receiver.Spans() {
		parent := ""
		if of := names[span.Parent()]; of != nil {
			parent = of.Name
		}
		got = append(got, span.Name+" of "+parent)
		if span.Name == "GET" && parent == "policies" && !strings.Contains(passed+told, span.ID()) {
			t.Errorf("forward auth was told %s, then %s, and not of %s", passed, told, span.ID())
		}
	}
	want := []string{
		"GET of policies", "policies of GET ingress-shop/0", "select of GET ingress-shop/0", "GET of GET ingress-shop/0", "GET ingress-shop/0 of ",
		"GET of policies", "policies of GET ingress-shop/0", "GET ingress-shop/0 of ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, span := range receiver.Spans() {
		for _, event := range span.Events {
			if event.Name != "refused" {
				t.Errorf("%v", event)
			}
		}
	}
	if strings.Contains(string(receiver.Raw()), "marked") {
		t.Error("a query was sent")
	}
}
