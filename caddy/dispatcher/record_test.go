package dispatcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mholt/caddy-ratelimit"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/table"
)

// recorded are the records of exchanges from now on, in the order in which they end, until the test does.
func recorded(t *testing.T) <-chan *exchange.Exchange {
	t.Helper()
	ended := make(chan *exchange.Exchange, 64)
	recordsTo.Store(&ended)
	t.Cleanup(func() { recordsTo.Store(nil) })
	return ended
}

var recordsTo atomic.Pointer[chan *exchange.Exchange]

func init() {
	observers = append(observers, func(e *exchange.Exchange, _ *http.Request) {
		if to := recordsTo.Load(); to != nil {
			*to <- e
		}
	})
}

// next is the record of an exchange that has ended or is about to.
func next(t *testing.T, ended <-chan *exchange.Exchange) *exchange.Exchange {
	t.Helper()
	select {
	case e := <-ended:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no exchange has ended")
		return nil
	}
}

// told is what a record says, in short.
func told(e *exchange.Exchange) string {
	words := []string{fmt.Sprint(e.Status)}
	for _, word := range [][2]string{{"miss", string(e.Miss)}, {"by", string(e.Policy)}, {"for", string(e.Failure)}} {
		if word[1] != "" {
			words = append(words, word[0]+" "+word[1])
		}
	}
	for _, a := range e.Attempts {
		words = append(words, fmt.Sprintf("%s(%s%d)", a.Target, a.Failure, a.Status))
	}
	return strings.Join(words, ", ")
}

// behind is the proxy's set behind other handlers.
func behind(handlers ...map[string]any) map[string]any {
	all := []any{}
	for _, handler := range handlers {
		all = append(all, handler)
	}
	return map[string]any{"handle": append(all, proxySet["handle"].([]any)...)}
}

// forwardAuthTo asks a service on a port of loopback, as the compiler has it asked.
func forwardAuthTo(port int) map[string]any {
	vars := []any{map[string]any{"handler": "vars"}}
	refuse := []any{map[string]any{"handler": "gatewright_count"}, map[string]any{"handler": "copy_response"}}
	return map[string]any{
		"handler":           "reverse_proxy",
		"dynamic_upstreams": map[string]any{"source": "gatewright_host", "host": "127.0.0.1", "port": port},
		"rewrite":           map[string]any{"method": "GET", "uri": "/verify"},
		"transport":         map[string]any{"protocol": "gatewright", "dial_timeout": "20s"},
		"handle_response": []any{
			map[string]any{"match": map[string]any{"status_code": []int{2}}, "routes": []any{map[string]any{"handle": vars}}},
			map[string]any{"routes": []any{map[string]any{"handle": refuse}}},
		},
	}
}

// mark is what a client writes where it can, to be found again.
const mark = "marked-4711"

// causes is a world with an ingress for each way in which a request can end: its host is the ingress's name. Their ids are the
// test's, since counts belong to the process.
func causes(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	status := func(code int) func(net.Conn) {
		text := fmt.Sprintf("HTTP/1.1 %d Told\r\nContent-Length: 2\r\n\r\nok", code)
		return replies(map[string]string{"/": text, "/verify": text, "/" + mark: text})
	}
	secured := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secured.Close)
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	hang := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	instances := map[string]int{
		"well":    w.instance("well", status(200)),
		"broken":  w.instance("broken", status(500)),
		"hanging": w.instance("hanging", hang),
		"resetting": w.instance("resetting", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0)
		}),
		"breaking": w.instance("breaking", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		}),
		"babbling": w.instance("babbling", replies(map[string]string{"/": "hello\r\n\r\n", "/" + mark: "hello\r\n\r\n"})),
		"gone":     freeport.Find(t),
		"secured":  secured.Listener.Addr().(*net.TCPAddr).Port,
		"unknown":  80,
		"metadata": 80,
	}
	w.named("gone")
	w.named("secured")
	w.dns.Set("metadata.test.internal", dnstest.Record{Addresses: []string{"169.254.169.254"}})
	first := proxySetBy(map[string]any{"protocol": "gatewright"})
	first["handle"].([]any)[0].(map[string]any)["dynamic_upstreams"] = map[string]any{"source": "gatewright", "policy": "first"}
	refuse := func(status int, policy string) map[string]any {
		return map[string]any{"handler": "gatewright_refuse", "status": status, "policy": policy, "reason": "a test"}
	}
	w.sets = map[string]any{
		"proxy":       behind(),
		"first":       first,
		"impatient":   proxySetBy(map[string]any{"protocol": "gatewright", "response_header_timeout": "100ms"}),
		"secure":      proxySetBy(map[string]any{"protocol": "gatewright_http", "tls": map[string]any{}}),
		"stock":       proxySetBy(map[string]any{"protocol": "gatewright_http", "response_header_timeout": "100ms"}),
		"access":      behind(refuse(403, "access")),
		"maintenance": behind(refuse(503, "maintenance")),
		"nameless":    behind(refuse(403, "")),
		"header":      checked(proxySet),
		"unclean":     map[string]any{"handle": proxySet["handle"], "unclean_paths": "reject"},
		"sized":       behind(map[string]any{"handler": "request_body", "max_size": 5}),
		"limited": behind(map[string]any{"handler": "gatewright_limit_key", "rule": true}, map[string]any{
			"handler": "rate_limit", "rate_limits": map[string]any{t.Name(): map[string]any{
				"key": "{http.vars.gatewright.limit_key}", "window": "1h", "max_events": 1,
			}},
		}),
		"basic": behind(map[string]any{"handler": "authentication", "providers": map[string]any{"http_basic": map[string]any{
			"accounts": []any{map[string]any{"username": "ann", "password": "$2a$04$lcKYsqKRQ4vyZ0ByArHFCuYbUf2hs57kqqzYv0LpSSMKxvj0TmJQi"}},
		}}}),
		"asks":          behind(forwardAuthTo(instances["well"])),
		"asks-refusing": behind(forwardAuthTo(instances["broken"])),
		"asks-nobody":   behind(forwardAuthTo(instances["gone"])),
	}
	rows := []table.RowJSON{}
	row := func(name, policy, instance string, edit ...func(*table.RowJSON)) {
		r := w.row(name+t.Name()+"/0", name+".test", instance, instances[instance])
		r.Ingress, r.Policy = name, policy
		for _, change := range edit {
			change(&r)
		}
		rows = append(rows, r)
	}
	for instance := range instances {
		row(instance, "proxy", instance)
	}
	for _, policy := range []string{"access", "maintenance", "nameless", "unclean", "sized", "limited", "basic", "asks", "asks-refusing", "asks-nobody"} {
		row(policy, policy, "well")
	}
	row("impatient", "impatient", "hanging")
	row("stock", "stock", "well")
	row("stock-hanging", "stock", "hanging")
	row("stock-gone", "stock", "gone")
	row("stock-resetting", "stock", "resetting")
	row("insecure", "secure", "secured")
	row("header", "header", "well", func(r *table.RowJSON) { r.Auth = &table.Auth{Header: "X-Key", SHA256: strings.Repeat("0", 64)} })
	row("asks-in-vain", "asks", "unknown")
	row("second", "first", "gone", func(r *table.RowJSON) {
		r.Targets = append([]table.Target{{Instance: "well", Port: freeport.Find(t)}}, table.Target{Instance: "well", Port: instances["well"]})
	})
	row("drained", "proxy", "well", func(r *table.RowJSON) { r.Targets[0].Mode = "drain" })
	row("narrow", "proxy", "well", func(r *table.RowJSON) {
		r.Path, r.Methods = &table.Path{Type: "prefix", Value: "/in"}, []string{"PUT"}
	})
	w.load("c1")
	w.put("t1", rows...)
	return w
}

// outcomes are the ways in which requests end: what their records say, and which counters they move beside those of every
// request.
var outcomes = []struct{ method, host, path, body, want, moves string }{
	{"GET", "well.test", "/", "", "200, well(200)", ""},
	{"POST", "well.test", "/", "hello", "200, well(200)", ""},
	{"GET", "stock.test", "/", "", "200, well(200)", ""},
	{"GET", "broken.test", "/", "", "500, broken(500)", ""},
	{"GET", "gone.test", "/", "", "502, for refused, gone(refused0), gone(refused0)", "upstream_errors{gone,refused}+2 upstream_retries{gone}+1"},
	{"GET", "stock-gone.test", "/", "", "502, for refused, gone(refused0), gone(refused0)", "upstream_errors{stock-gone,refused}+2 upstream_retries{stock-gone}+1"},
	{"GET", "second.test", "/", "", "200, well(refused0), well(200)", "upstream_errors{second,refused}+1 upstream_retries{second}+1"},
	{"POST", "impatient.test", "/", "hello", "504, for timeout, hanging(timeout0)", "upstream_errors{impatient,timeout}+1"},
	{"POST", "stock-hanging.test", "/", "hello", "504, for timeout, hanging(timeout0)", "upstream_errors{stock-hanging,timeout}+1"},
	{"POST", "resetting.test", "/", "", "502, for reset, resetting(reset0)", "upstream_errors{resetting,reset}+1"},
	{"POST", "stock-resetting.test", "/", "", "502, for reset, resetting(reset0)", "upstream_errors{stock-resetting,reset}+1"},
	{"GET", "breaking.test", "/", "", "200, for broken_answer, breaking(broken_answer200)", "upstream_errors{breaking,broken_answer}+1"},
	{"POST", "babbling.test", "/", "", "502, for broken_answer, babbling(broken_answer0)", "upstream_errors{babbling,broken_answer}+1"},
	// Nothing of it was sent: it is tried again, as where no connection is made.
	{"POST", "insecure.test", "/", "", "502, for tls, secured(tls0), secured(tls0)", "upstream_errors{insecure,tls}+2 upstream_retries{insecure}+1"},
	{"GET", "unknown.test", "/", "", "503, for no_address", "upstream_errors{unknown,no_address}+1"},
	{"GET", "metadata.test", "/", "", "502, for guarded", "upstream_errors{metadata,guarded}+1"},
	{"GET", "drained.test", "/", "", "503, for drained", "upstream_errors{drained,drained}+1"},
	{"GET", "nobody.test", "/", "", "404, miss host", "unrouted_requests{host}+1"},
	{"GET", "narrow.test", "/", "", "404, miss path", "unrouted_requests{path}+1"},
	{"GET", "narrow.test", "/in", "", "404, miss method", "unrouted_requests{method}+1"},
	{"GET", "access.test", "/", "", "403, by access", "refused_requests{access,access}+1"},
	{"GET", "nameless.test", "/", "", "403, by other", "refused_requests{nameless,other}+1"},
	{"GET", "maintenance.test", "/", "", "503, by maintenance", "refused_requests{maintenance,maintenance}+1"},
	{"GET", "header.test", "/", "", "403, by request_header_auth", "refused_requests{header,request_header_auth}+1"},
	{"GET", "unclean.test", "/a//b", "", "400, by unclean_paths", "refused_requests{unclean,unclean_paths}+1"},
	{"POST", "sized.test", "/", "too long", "413, by max_request_body", "refused_requests{sized,max_request_body}+1"},
	{"GET", "limited.test", "/", "", "200, well(200)", ""},
	{"GET", "limited.test", "/", "", "429, by rate_limit", "refused_requests{limited,rate_limit}+1"},
	{"GET", "basic.test", "/", "", "401, by basic_auth", "refused_requests{basic,basic_auth}+1"},
	{"GET", "asks.test", "/", "", "200, well(200)", "forward_auth_duration_seconds{asks}+1"},
	{"GET", "asks-refusing.test", "/", "", "500, by forward_auth", "forward_auth_duration_seconds{asks-refusing}+1 refused_requests{asks-refusing,forward_auth}+1"},
	{"GET", "asks-nobody.test", "/", "", "502, by forward_auth", "forward_auth_duration_seconds{asks-nobody}+1 refused_requests{asks-nobody,forward_auth}+1"},
	{"GET", "asks-in-vain.test", "/", "", "503, for no_address", "forward_auth_duration_seconds{asks-in-vain}+1 upstream_errors{asks-in-vain,no_address}+1"},
}

// ask sends a request; what is wrong with the answer is for the record to say.
func (w *world) ask(method, host, path, body string) {
	w.t.Helper()
	request, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", w.port, path), strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Host = host
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatalf("%s: %v", host, err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

func TestRecordsSayHowRequestsEnd(t *testing.T) {
	w := causes(t)
	ended := recorded(t)
	for _, c := range outcomes {
		w.ask(c.method, c.host, c.path, c.body)
		e := next(t, ended)
		if got := told(e); got != c.want {
			t.Errorf("%s %s%s: %s (%s), want %s", c.method, c.host, c.path, got, e.Reason, c.want)
		}
		if asks := strings.HasPrefix(c.host, "asks"); e.Decision > 0 != asks {
			t.Errorf("%s: forward auth took %v", c.host, e.Decision)
		}
		if row := strings.TrimSuffix(c.host, ".test"); e.Miss == "" && (e.Row == nil || e.Row.Ingress() != row) {
			t.Errorf("%s: row %v", c.host, e.Row)
		}
		if answered := e.Last() != nil && e.Last().Status != 0; answered != (e.Last() != nil && e.Last().FirstByte > 0) {
			t.Errorf("%s: %+v", c.host, e.Attempts)
		}
		if e.Duration <= 0 || e.Duration < e.Selection+e.Decision {
			t.Errorf("%s: took %v, selection %v, forward auth %v", c.host, e.Duration, e.Selection, e.Decision)
		}
	}
	t.Run("a target that is none", func(t *testing.T) {
		w.sendRaw("GET x:http://well.test/ HTTP/1.1\r\nHost: well.test\r\n\r\n", false)
		if got := told(next(t, ended)); got != "400, miss target" {
			t.Error(got)
		}
	})
	t.Run("a client that leaves", func(t *testing.T) {
		ctx, leave := context.WithCancel(context.Background())
		request, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprint("http://127.0.0.1:", w.port), nil)
		request.Host = "hanging.test"
		time.AfterFunc(50*time.Millisecond, leave)
		if _, err := w.client.Do(request); err == nil {
			t.Error("the instance has answered")
		}
		if got := told(next(t, ended)); got != "499, for client_left, hanging(client_left0)" {
			t.Error(got)
		}
	})
}

func TestRecordsCountBytesAndConnections(t *testing.T) {
	w := causes(t)
	ended := recorded(t)
	for i := range 2 {
		w.ask("POST", "well.test", "/", "hello")
		e := next(t, ended)
		if e.Received.Load() != 5 || e.Sent.Load() != 2 || e.Last().Address != fmt.Sprint("127.0.0.1:", portOf(e)) {
			t.Errorf("received %d, sent %d, %+v", e.Received.Load(), e.Sent.Load(), e.Attempts)
		}
		if opened := e.Last().Connect > 0; opened != (i == 0) {
			t.Errorf("request %d: connected in %v", i, e.Last().Connect)
		}
	}
	for i := range 2 {
		w.ask("GET", "stock.test", "/", "")
		if e := next(t, ended); e.Last().Connect > 0 != (i == 0) {
			t.Errorf("request %d by net/http: connected in %v", i, e.Last().Connect)
		}
	}
	w.ask("GET", "gone.test", "/", "")
	if e := next(t, ended); e.Sent.Load() == 0 || e.Retries() != 1 {
		t.Errorf("our own page has %d bytes, after %d retries", e.Sent.Load(), e.Retries())
	}
}

func portOf(e *exchange.Exchange) string {
	_, port, _ := net.SplitHostPort(e.Last().Address)
	return port
}

func TestRecordsOfTunnels(t *testing.T) {
	w := newWorld(t)
	port := w.instance("echo", func(conn net.Conn) {
		buffer := make([]byte, 4096)
		if n, err := conn.Read(buffer); err != nil || !bytes.Contains(buffer[:n], []byte("Upgrade: websocket")) {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	w.load("c1")
	w.put("t1", w.row("a", "a.test", "echo", port))
	ended := recorded(t)
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	head := make([]byte, 0, 4096)
	for one := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one...) {
		if _, err := io.ReadFull(conn, one); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(conn, "twelve bytes")
	if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	e := next(t, ended)
	if e.Status != 101 || e.Received.Load() != 12 || e.Sent.Load() != 12 || e.Switched <= 0 || e.Switched > e.Duration {
		t.Errorf("%s: received %d, sent %d, switched after %v of %v", told(e), e.Received.Load(), e.Sent.Load(), e.Switched, e.Duration)
	}
}
