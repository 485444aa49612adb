package dispatcher

import (
	"encoding/json"
	"strings"
	"testing"

	_ "gatewright.dev/caddy/explain"

	"gatewright.dev/caddy/internal/refusals"
	"gatewright.dev/caddy/table"
)

// explained is what the endpoint tells, as far as tests look at it.
type explained struct {
	Served     bool
	Row        *struct{ ID string }
	Considered []table.Considered
	Steps      []struct {
		Handler, Verdict, Reason, Network string
		Status                            int
		Limit                             *struct{ Used, Events int }
	}
	Upstream *struct {
		Policy, Error string
		WaitMS        int64 `json:"wait_ms"`
		Wakes         []string
		Addresses     []struct {
			Target                                   int
			Name, Address, State, Reason, Connection string
			Chosen                                   bool
		}
	}
	Sent *struct {
		URI, Host string
		Set       []string `json:"headers_set"`
		Removed   []string `json:"headers_removed"`
	}
	Answer *struct {
		Status               int
		Location, Type, Body string
	}
	Error string
}

// explain asks what becomes of a request to the world's port.
func (w *world) explain(host, target string, more ...func(question map[string]any)) (told explained) {
	w.t.Helper()
	question := map[string]any{"port": w.port, "host": host, "target": target, "client": "127.0.0.1", "local": "127.0.0.1"}
	for _, add := range more {
		add(question)
	}
	status, answer := w.call("POST", "/gatewright/explain", question)
	text, _ := json.Marshal(answer)
	if status != 200 {
		w.t.Fatalf("explain: %d %s", status, text)
	}
	if err := json.Unmarshal(text, &told); err != nil {
		w.t.Fatal(err)
	}
	return told
}

func TestExplainNamesTheRowAndWhatWasPassedOver(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	narrow := w.row("narrow", "a.test", "web-1", w.serve("web-1"))
	narrow.Path = &table.Path{Type: "prefix", Value: "/api"}
	posts := w.row("posts", "a.test", "web-1", 80)
	posts.Methods = []string{"POST"}
	w.put("t1", narrow, posts, w.row("any", "*.test", "web-1", w.serve("web-1")))
	told := w.explain("a.test", "/x")
	if told.Row == nil || told.Row.ID != "any" || told.Answer != nil || told.Sent == nil || told.Sent.URI != "/x" {
		t.Errorf("%+v", told)
	}
	why := []string{}
	for _, one := range told.Considered {
		why = append(why, one.ID+" "+one.Why)
	}
	if got := strings.Join(why, ", "); got != "narrow path, posts method" {
		t.Errorf("considered %s", got)
	}
	if up := told.Upstream; up == nil || len(up.Addresses) != 1 || !up.Addresses[0].Chosen || up.Addresses[0].State != "ready" {
		t.Errorf("upstream %+v", told.Upstream)
	}
	if told = w.explain("other.example", "/"); told.Row != nil || told.Answer == nil || told.Answer.Status != 404 || !told.Served {
		t.Errorf("no row: %+v", told)
	}
}

// What is explained is not counted, not logged and uses nothing up.
func TestExplainHasNoEffect(t *testing.T) {
	w := newWorld(t)
	w.sets["closed"] = map[string]any{"handle": []any{map[string]any{"handler": "gatewright_refuse", "status": 403, "reason": "closed"}}}
	w.sets["limited"] = map[string]any{"handle": append([]any{
		map[string]any{"handler": "gatewright_limit_key"},
		map[string]any{"handler": "rate_limit", "rate_limits": map[string]any{"explained": map[string]any{
			"key": "{http.vars.gatewright.limit_key}", "window": "1h", "max_events": 2,
		}}},
	}, proxySet["handle"].([]any)...)}
	w.load("c1")
	closed, limited := w.row("closed", "closed.test", "web-1", 80), w.row("limited", "limited.test", "web-1", w.serve("web-1"))
	closed.Policy, limited.Policy = "closed", "limited"
	w.put("t1", closed, limited)
	for range 3 {
		told := w.explain("closed.test", "/")
		if told.Answer == nil || told.Answer.Status != 403 || told.Error != "closed" || told.Steps[0].Verdict != "refused" {
			t.Errorf("%+v", told)
		}
	}
	if counted := refusals.All.Read()["closed"]; len(counted) != 0 {
		t.Errorf("counted: %v", counted)
	}
	used := func(want int) {
		t.Helper()
		for range 3 {
			if limit := w.explain("limited.test", "/").Steps[1].Limit; limit == nil || limit.Used != want || limit.Events != 2 {
				t.Errorf("limit %+v, want %d used", limit, want)
			}
		}
	}
	used(0)
	w.expect(w.get("limited.test", "/"), 200, "web-1")
	used(1)
	w.expect(w.get("limited.test", "/"), 200, "web-1")
	if told := w.explain("limited.test", "/"); told.Answer == nil || told.Answer.Status != 429 || told.Steps[1].Limit.Used != 2 {
		t.Errorf("used up: %+v", told)
	}
	w.expect(w.get("limited.test", "/"), 429, "")
}
