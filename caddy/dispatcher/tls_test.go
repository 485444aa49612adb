//go:build !race

package dispatcher

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Without the race detector: caddy-l4 v0.1.2 reads a connection's byte counters for a log line while the server
// counts on (layer4/listener.go:189), which the detector reports though nothing depends on it.

// TestTLSAndPlainOnOnePort uses the listener wrapper that ends TLS in front of the server.
func TestTLSAndPlainOnOnePort(t *testing.T) {
	w := newWorld(t)
	certificate, key := selfSigned(t, "a.test", "b.test")
	w.tls = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.servers["main"] = map[string]any{
		"listen":          []string{fmt.Sprint("127.0.0.1:", w.port)},
		"automatic_https": map[string]any{"disable": true},
		"listener_wrappers": []any{map[string]any{"wrapper": "layer4", "routes": []any{map[string]any{
			"match": []any{map[string]any{"tls": map[string]any{}}}, "handle": []any{map[string]any{"handler": "tls"}},
		}}}},
		"routes": []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}
	w.load("c1")
	port := w.serve("secure")
	secure := w.route("a", "a.test", "secure", port)
	secure.TLS = true
	w.put("t1", secure, w.route("b", "b.test", "plain", w.serve("plain")))
	w.expect(w.get("a.test", "/"), 404, "a.test")
	w.expect(w.get("b.test", "/"), 200, "plain")
	for _, c := range []struct {
		host   string
		status int
	}{{"a.test", 200}, {"b.test", 404}} {
		client := &http.Client{Transport: &http.Transport{
			ForceAttemptHTTP2: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: c.host},
		}, Timeout: 20 * time.Second}
		request, err := http.NewRequest("GET", fmt.Sprintf("https://127.0.0.1:%d/", w.port), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = c.host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status || response.ProtoMajor != 2 {
			t.Errorf("https %s: %s %d", c.host, response.Proto, response.StatusCode)
		}
		client.CloseIdleConnections()
	}
}
