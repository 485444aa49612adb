package dispatcher

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"

	"gatewright.dev/caddy/table"
)

// TestLoops holds E6 for HTTP: a request does not go round in circles, and one that only comes by twice goes on.
func TestLoops(t *testing.T) {
	w := newWorld(t)
	front := "127.0.0.1:" + strconv.Itoa(w.port)
	set := proxySetBy(map[string]any{"protocol": "gatewright"})
	set["handle"] = append([]any{map[string]any{"handler": "gatewright_forwarded"}}, set["handle"].([]any)...)
	w.sets["proxy"] = set
	w.load("c1", func(app map[string]any) {
		app["guard"] = map[string]any{"allow_loopback": true, "deny_listeners": []string{front}}
	})
	// An instance that is a proxy, and asks for another host here.
	var passes atomic.Int64
	proxy := func(host string) int {
		target := httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: front})
			r.Out.Host = host
		}}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passes.Add(1)
			target.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().(*net.TCPAddr).Port
	}
	row := func(name, instance string, port int) table.RowJSON { return w.row(name, name+".test", instance, port) }
	for _, name := range []string{"itself", "around", "twice"} {
		w.named(name)
	}
	w.put("t1", row("straight", "itself", w.port), row("around", "around", proxy("around.test")),
		row("twice", "twice", proxy("end.test")), row("end", "web", w.serve("web")))
	if got := w.get("straight.test", "/"); got.status != 502 {
		t.Errorf("E6 straight back: %d", got.status)
	}
	for _, method := range []string{"GET", "POST"} {
		passes.Store(0)
		if got := w.do(method, w.port, "around.test", "/"); got.status != 508 || passes.Load() > 20 {
			t.Errorf("E6 %s around: %d after %d passes", method, got.status, passes.Load())
		}
	}
	w.expect(w.get("twice.test", "/x"), 200, "web /x")
	w.expect(w.get("end.test", "/", "CDN-Loop", "other-cdn; v=1"), 200, "web")
}
