package dispatcher

import (
	"testing"
	"time"

	"gatewright.dev/caddy/internal/dnstest"
)

func TestRequestReachesTheInstance(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	port, _ := backend(t, "127.0.0.1:0", "web")
	w.dns.Set("web-1.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}, TTL: time.Minute})
	w.put("t1", w.route("a/0", "a.example.com", "web-1", port))
	if got := w.get("A.example.com:1234", "/x?y=1"); got.status != 200 || got.body != "web /x?y=1" {
		t.Fatalf("got %+v", got)
	}
	status, state := w.call("GET", "/gatewright/state", nil)
	if status != 200 || state["config"] != "c1" || state["table"] != "t1" || state["routes"] != 1.0 {
		t.Fatalf("state: %d %v", status, state)
	}
}
