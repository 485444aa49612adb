package dispatcher

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/table"
)

// poolSet is a policy set whose source and selection policy are given.
func poolSet(source map[string]any, balancing map[string]any) map[string]any {
	source["source"] = "gatewright"
	return map[string]any{"handle": []any{map[string]any{
		"handler":           "reverse_proxy",
		"dynamic_upstreams": source,
		"load_balancing":    balancing,
		"transport":         map[string]any{"protocol": "http", "dial_timeout": "1s"},
	}}}
}

func TestTargetStatesAreRefusedWhole(t *testing.T) {
	w := newWorld(t)
	w.load("1")
	for body, want := range map[string]string{
		`{"rules":{"r":{"unhealthy":["x"]}}}`:  "not ip:port",
		`{"instances":{"a":{"mode":"off"}}}`:   "mode is not",
		`{"instances":{"a":{"mood":"drain"}}}`: "unknown field",
		`{"reset":"yes"}`:                      "cannot unmarshal",
		`{} {}`:                                "something follows",
	} {
		status, answer := w.call("POST", "/gatewright/targets", body)
		if text, _ := answer["error"].(string); status != 400 || !strings.Contains(text+strings.Join(problemsOf(answer), " "), want) {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	if status, _ := w.call("PUT", "/gatewright/targets", `{}`); status != 405 {
		t.Errorf("PUT: %d", status)
	}
}

func problemsOf(answer map[string]any) (texts []string) {
	problems, _ := answer["problems"].([]any)
	for _, one := range problems {
		texts = append(texts, one.(map[string]any)["problem"].(string))
	}
	return texts
}

func TestTargetStatesOutliveReloads(t *testing.T) {
	w := newWorld(t)
	t.Cleanup(func() { w.call("POST", "/gatewright/targets", `{"reset":true}`) })
	port, _ := backend(t, "127.0.0.1:0", "one")
	backend(t, "127.0.0.2:"+strconv.Itoa(port), "two")
	w.dns.Set("web.svc.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1", "127.0.0.2"}})
	w.sets["proxy"] = poolSet(map[string]any{"health": true}, map[string]any{"retries": 1})
	w.load("1")
	row := w.row("r/0", "pool.test", "", port)
	row.Targets = []table.Target{{Service: "web", Port: port}}
	w.put("1", row)
	reached := func() string {
		seen := map[string]bool{}
		for range 4 {
			seen[strings.Fields(w.get("pool.test", "/").body)[0]] = true
		}
		return strings.Join(sortedKeys(seen), " ")
	}
	if got := reached(); got != "one two" {
		t.Error(got)
	}
	w.call("POST", "/gatewright/targets", map[string]any{"rules": map[string]any{"r/0": map[string]any{"unhealthy": []string{"127.0.0.1:" + strconv.Itoa(port)}}}})
	if got := reached(); got != "two" {
		t.Error(got)
	}
	w.load("2")
	if got := reached(); got != "two" {
		t.Error(got)
	}
	w.sets["proxy"] = poolSet(map[string]any{"health": true}, map[string]any{"retries": 2})
	w.put("2", row)
	if got := reached(); got != "two" {
		t.Error(got)
	}
	w.call("POST", "/gatewright/targets", map[string]any{"instances": map[string]any{"web-2": map[string]any{"mode": "drain", "service": "web", "addresses": []string{"127.0.0.2"}}}})
	a := w.get("pool.test", "/")
	if a.status != 503 || a.header.Get("Retry-After") != "1" {
		t.Errorf("%d %v", a.status, a.header)
	}
	w.call("POST", "/gatewright/targets", map[string]any{"reset": true})
	if got := reached(); got != "one two" {
		t.Error(got)
	}
}

func sortedKeys(set map[string]bool) (keys []string) {
	for _, key := range []string{"one", "two"} {
		if set[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestTheCookieIsSetOnce(t *testing.T) {
	w := newWorld(t)
	port, _ := backend(t, "127.0.0.1:0", "one")
	w.dns.Set("gone.test.internal", dnstest.Record{Addresses: []string{"127.0.0.3"}})
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	w.sets["proxy"] = poolSet(map[string]any{"policy": "cookie", "cookie": "stick"}, map[string]any{"retries": 1, "selection_policy": map[string]any{"policy": "gatewright"}})
	w.load("1")
	row := w.row("r/0", "pool.test", "", port)
	row.Targets = []table.Target{{Instance: "gone", Port: port}, {Instance: "web", Port: port}}
	w.put("1", row)
	var cookie string
	for range 2 {
		a := w.get("pool.test", "/")
		if set := a.header.Values("Set-Cookie"); a.status != 200 || len(set) != 1 {
			t.Fatalf("%d %v", a.status, set)
		}
		cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	}
	if a := w.get("pool.test", "/", "Cookie", cookie); a.status != 200 || len(a.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestAQuestionForWakesEndsWithItsConfiguration(t *testing.T) {
	w := newWorld(t)
	w.load("1")
	answered := make(chan time.Duration)
	go func() {
		began := time.Now()
		w.call("GET", "/gatewright/wakes", nil)
		answered <- time.Since(began)
	}()
	time.Sleep(100 * time.Millisecond)
	w.load("2")
	// Else it would wait for 20 s.
	if took := <-answered; took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
