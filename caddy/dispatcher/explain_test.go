package dispatcher

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	_ "gatewright.dev/caddy/explain"

	"gatewright.dev/caddy/internal/freeport"
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
		why = append(why, one.ID+" "+string(one.Why))
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
	before := w.counters(100)
	for range 3 {
		told := w.explain("closed.test", "/")
		if told.Answer == nil || told.Answer.Status != 403 || told.Error != "closed" || told.Steps[0].Verdict != "refused" {
			t.Errorf("%+v", told)
		}
	}
	if counted := moved(before, w.counters(100)); counted != "" {
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

// requestID is the id on a page, by which no two are alike.
var requestID = regexp.MustCompile(`Request [\w-]+`)

// What is explained is what happens: the row that takes a request, and the status of its answer.
func TestExplainAgreesWithRequests(t *testing.T) {
	w := newWorld(t)
	name := map[string]any{"handler": "headers", "response": map[string]any{"set": map[string]any{"X-Row": []string{"{http.vars.gatewright.rule}"}}}}
	with := func(handlers ...any) map[string]any {
		return map[string]any{"handle": append([]any{name}, handlers...)}
	}
	proxy := proxySet["handle"].([]any)[0]
	w.sets["named"] = with(proxy)
	w.sets["closed"] = with(map[string]any{"handler": "gatewright_refuse", "status": 403, "reason": "closed"})
	w.sets["later"] = with(map[string]any{"handler": "gatewright_refuse", "status": 503, "reason": "later", "retry_after": 7})
	rejecting := with(proxy)
	rejecting["unclean_paths"] = "reject"
	w.sets["rejecting"] = rejecting
	w.load("c1")
	port, dead := w.serve("web-1"), freeport.Find(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	row := func(id int) table.RowJSON {
		made := w.row(fmt.Sprint("r", id), pick("a.test", "b.test", "*.test", "{x}.b.test", "*"), pick("web-1", "web-1", "gone"), port)
		made.Policy = pick("named", "named", "named", "closed", "later", "rejecting")
		if random.IntN(3) > 0 {
			made.Path = &table.Path{Type: pick("exact", "prefix"), Value: pick("/a", "/a/b", "/b", "/")}
		}
		if random.IntN(3) == 0 {
			made.Methods = []string{pick("GET", "POST")}
		}
		if random.IntN(4) == 0 {
			made.Headers = map[string]string{"X-Beta": pick("1", "2")}
		}
		if random.IntN(8) == 0 {
			made.Targets[0].Port = dead
		}
		if random.IntN(10) == 0 {
			made.Policy, made.Targets, made.Redirect = "", nil, &table.Redirect{Port: 443}
		}
		return made
	}
	took := make(map[string]int)
	for version := range 12 {
		w.put(fmt.Sprint("none", version))
		// A row that ties with others is refused, and left out.
		at := fmt.Sprint("none", version)
		for id := range 14 {
			next := fmt.Sprintf("v%d-%d", version, id)
			if status, _ := w.patch(at, next, nil, row(id)); status == 200 {
				at = next
			}
		}
		for range 40 {
			host, method := pick("a.test", "b.test", "c.test", "x.b.test", "x.y.test", "A.test.", "b.test:80"), pick("GET", "POST", "DELETE")
			path := pick("/", "/a", "/a/b", "/a/b/c", "/b", "/ab", "//a", "/a/../b", "/a/%2e%2e/b", "/a%2fb", "/a?x=1")
			header := []string{}
			if random.IntN(2) == 0 {
				header = []string{"X-Beta", pick("1", "2")}
			}
			told := w.explain(host, path, func(question map[string]any) {
				question["method"], question["connect"] = method, true
				if len(header) > 0 {
					question["headers"] = map[string]any{header[0]: []string{header[1]}}
				}
			})
			real := w.do(method, w.port, host, path, header...)
			status, id := 200, ""
			if told.Answer != nil {
				status = told.Answer.Status
			}
			if told.Row != nil && told.Answer != nil && told.Answer.Location == "" || told.Answer == nil {
				id = told.Row.ID
			}
			if real.header.Get("X-Row") == "" && real.status == 400 {
				// Turned away before its handlers.
				id = ""
			}
			if real.status != status || real.header.Get("X-Row") != id || told.Answer != nil && requestID.ReplaceAllString(told.Answer.Body, "") != requestID.ReplaceAllString(real.body, "") {
				t.Errorf("seed %d, %s %s%s %v: %d by %q, but explained %d by %q: %+v",
					seed, method, host, path, header, real.status, real.header.Get("X-Row"), status, id, told)
			}
			took[fmt.Sprint(status)]++
		}
	}
	for _, status := range []string{"200", "404", "403", "503", "502"} {
		if took[status] == 0 {
			t.Errorf("seed %d: none of the requests was answered %s: %v", seed, status, took)
		}
	}
}
