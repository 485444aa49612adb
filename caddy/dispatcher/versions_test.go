package dispatcher

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/table"
)

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
