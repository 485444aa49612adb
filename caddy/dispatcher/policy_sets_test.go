package dispatcher

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
)

func TestPolicySetsComeAndGoWithTheirRows(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"one": says("one"), "two": says("two")}
	w.load("c1")
	_, before := w.call("GET", "/gatewright/state", nil)
	w.put("0")
	w.mustPatch("0", "1", nil, w.namedRow("a", "one"), w.namedRow("b", "one"))
	w.expect(w.get("a.test", "/"), 200, "one")
	w.expectAlive(1)
	w.mustPatch("1", "2", []string{"b"}, w.namedRow("a", "two"))
	w.expect(w.get("a.test", "/"), 200, "two")
	w.expectAlive(1)
	w.mustPatch("2", "3", []string{"a"}, w.namedRow("c", "two"))
	w.expect(w.get("c.test", "/"), 200, "two")
	w.expectAlive(1)
	_, told := w.call("GET", "/gatewright/policy_sets", nil)
	if want := map[string]any{"policy_sets": map[string]any{"two": says("two")}}; !reflect.DeepEqual(told, want) {
		t.Errorf("the admin endpoint tells of %v, want %v", told, want)
	}
	// A set that is there need not be sent again.
	w.sets = nil
	w.mustPatch("3", "4", nil, w.namedRow("d", "two"))
	w.expect(w.get("d.test", "/"), 200, "two")
	// One that no row names does not stay.
	status, answer := w.call("PATCH", "/gatewright/table", map[string]any{"from": "4", "to": "5", "policy_sets": map[string]any{"idle": says("idle")}})
	if status != 200 {
		t.Errorf("%d %v", status, answer)
	}
	w.expectAlive(1)
	w.mustPatch("5", "6", []string{"c", "d"})
	w.expectAlive(0)
	w.sets = map[string]any{"one": says("one"), "two": says("two")}
	w.put("7", w.namedRow("a", "one"), w.namedRow("b", "two"))
	w.expectAlive(2)
	w.put("8", w.namedRow("b", "two"))
	w.expectAlive(1)
	w.expect(w.get("b.test", "/"), 200, "two")
	if _, after := w.call("GET", "/gatewright/state", nil); after["generation"] != before["generation"] {
		t.Error("there was another configuration")
	}
}

func TestOtherHandlersUnderAKnownKey(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"set": says("ours")}
	w.load("c1")
	w.put("1", w.namedRow("a", "set"))
	w.sets = map[string]any{"set": says("theirs")}
	w.put("1", w.namedRow("a", "set"))
	w.expect(w.get("a.test", "/"), 200, "theirs")
	w.sets = map[string]any{"set": says("ours")}
	w.mustPatch("1", "2", nil, w.namedRow("a", "set"))
	w.expect(w.get("a.test", "/"), 200, "ours")
	w.expectAlive(1)
	w.load("c2")
	w.expect(w.get("a.test", "/"), 200, "ours")
	w.expectAlive(1)
}

func TestAPolicySetThatCannotBeSetUp(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"good": says("good")}
	w.load("c1")
	w.put("1", w.namedRow("a", "good"))
	_, before := w.call("GET", "/gatewright/state", nil)
	for name, c := range map[string]struct {
		set  any
		want string
	}{
		"an unknown handler":     {map[string]any{"handle": []any{map[string]any{"handler": "nope"}}}, "nope"},
		"one that will not live": {mayflySet(map[string]any{"fail": true}), errMayfly.Error()},
		"a second handler": {map[string]any{"handle": []any{
			map[string]any{"handler": "test_mayfly"}, map[string]any{"handler": "test_mayfly", "fail": true},
		}}, errMayfly.Error()},
		"no handler":       {map[string]any{}, "handle is empty"},
		"null":             {nil, "handle is empty"},
		"an unknown field": {map[string]any{"handle": []any{map[string]any{"handler": "test_mayfly"}}, "match": 1}, "match"},
		"a bad page":       {map[string]any{"handle": []any{map[string]any{"handler": "test_mayfly"}}, "error_pages": map[string]any{"x": ""}}, "error_pages"},
		"an unknown way":   {map[string]any{"handle": []any{map[string]any{"handler": "test_mayfly"}}, "unclean_paths": "x"}, "unclean_paths"},
	} {
		sets := map[string]any{"bad": c.set, "more": says("more")}
		rows := []table.RowJSON{w.namedRow("a", "bad"), w.namedRow("b", "more")}
		for method, body := range map[string]map[string]any{
			"PUT":   {"version": "2", "rows": rows, "policy_sets": sets},
			"PATCH": {"from": "1", "to": "2", "upsert": rows, "policy_sets": sets},
		} {
			status, answer := w.call(method, "/gatewright/table", body)
			text, _ := json.Marshal(answer)
			if status != 400 || !strings.Contains(string(text), "policy_sets[bad]") || !strings.Contains(string(text), c.want) {
				t.Errorf("%s: %s: %d %s, want %q", method, name, status, text, c.want)
			}
		}
	}
	// What was set up for a change that is refused for something else ends too.
	w.sets["more"] = says("more")
	refused := func(status int, from string, rows ...table.RowJSON) {
		t.Helper()
		if got, answer := w.patch(from, "2", nil, rows...); got != status {
			t.Errorf("%d %v", got, answer)
		}
	}
	refused(412, "0", w.namedRow("b", "more"))
	tied := w.namedRow("b", "more")
	tied.Host = "a.test"
	refused(400, "1", tied)
	refused(400, "1", w.namedRow("b", "more"), w.namedRow("c", "lacking"))
	if _, after := w.call("GET", "/gatewright/state", nil); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v became %v", before, after)
	}
	w.expect(w.get("a.test", "/"), 200, "good")
	// Handlers that refused to be provisioned were counted, and cleaned up as well.
	w.expectAlive(1)
}

func TestARequestUnderWayKeepsItsPolicySet(t *testing.T) {
	w := newWorld(t)
	pages := mayflySet(map[string]any{"hold": true, "next": true})
	pages["error_pages"] = map[string]string{"500": "its own page"}
	w.sets = map[string]any{"held": mayflySet(map[string]any{"hold": true, "body": "held"}), "fails": pages}
	w.load("c1")
	w.put("1", w.namedRow("a", "held"), w.namedRow("b", "fails"))
	answers := make(chan answer, 2)
	for _, host := range []string{"a.test", "b.test"} {
		go func() {
			got, err := w.try("GET", w.port, host, "/")
			if err != nil {
				t.Error(err)
			}
			answers <- got
		}()
		<-mayflyHeld
	}
	w.put("2")
	w.expect(w.get("a.test", "/"), 404, "")
	w.expectAlive(2)
	for range 2 {
		mayflyGoes <- struct{}{}
	}
	for range 2 {
		if got := <-answers; got.status == 200 {
			w.expect(got, 200, "held")
		} else {
			w.expect(got, 500, "its own page")
		}
	}
	w.expectAlive(0)
}

func TestAStreamKeepsItsPolicySet(t *testing.T) {
	w := newWorld(t)
	w.sets["stream"] = map[string]any{"handle": []any{
		map[string]any{"handler": "test_mayfly", "next": true}, proxySet["handle"].([]any)[0],
	}}
	w.load("c1")
	port := w.instance("echo", func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(conn, conn)
		}
	})
	row := w.row("a", "a.test", "echo", port)
	row.Policy = "stream"
	w.put("1", row)
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(w.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	say := func(word string) {
		t.Helper()
		got := make([]byte, len(word))
		if _, err := io.WriteString(conn, word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(reader, got); err != nil || string(got) != word {
			t.Fatalf("%q, %v", got, err)
		}
	}
	say("before")
	w.expectAlive(1)
	w.load("c2")
	say("after its configuration has gone")
	w.expectAlive(2)
	w.put("2")
	say("after its row has gone")
	w.expectAlive(1)
	conn.Close()
	w.expectAlive(0)
}

// lateApp is an app that waits while its configuration is being loaded, so that something can happen meanwhile.
type lateApp struct {
	FailAtStart bool `json:"fail_at_start,omitempty"`
}

var (
	lateWaits = make(chan struct{})
	lateGoes  = make(chan struct{})
)

func init() { caddy.RegisterModule(lateApp{}) }

func (lateApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "test_late", New: func() caddy.Module { return new(lateApp) }}
}

func (l *lateApp) Provision(ctx caddy.Context) error {
	if _, err := ctx.App("gatewright"); err != nil {
		return err
	}
	lateWaits <- struct{}{}
	<-lateGoes
	return nil
}

func (l *lateApp) Start() error {
	if l.FailAtStart {
		return errMayfly
	}
	return nil
}

func (lateApp) Stop() error { return nil }

func TestChangesWhileAConfigurationIsLoaded(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("refused ", fails), func(t *testing.T) {
			w := newWorld(t)
			w.sets = map[string]any{"stays": says("stays"), "goes": says("goes"), "comes": says("comes")}
			w.load("c1")
			w.put("1", w.namedRow("a", "stays"), w.namedRow("b", "goes"))
			var whole map[string]any
			if err := json.Unmarshal(w.config("c2"), &whole); err != nil {
				t.Fatal(err)
			}
			whole["apps"].(map[string]any)["test_late"] = map[string]any{"fail_at_start": fails}
			text, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			loaded := make(chan error)
			go func() { loaded <- caddy.Load(text, true) }()
			<-lateWaits
			w.change("1", "2", []string{"b"}, w.namedRow("c", "comes"))
			w.expect(w.get("c.test", "/"), 200, "comes")
			lateGoes <- struct{}{}
			if err := <-loaded; (err != nil) != fails {
				t.Fatal(err)
			}
			w.settle()
			w.expect(w.get("a.test", "/"), 200, "stays")
			w.expect(w.get("b.test", "/"), 404, "")
			w.expect(w.get("c.test", "/"), 200, "comes")
			w.expectAlive(2)
			w.mustPatch("2", "3", []string{"a", "c"}, w.namedRow("b", "goes"))
			w.expect(w.get("b.test", "/"), 200, "goes")
			w.expectAlive(1)
		})
	}
}

// TestPolicySetsUnderLoad has sets come, change and go, and configurations with them, under requests that must not notice.
func TestPolicySetsUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{}
	w.load("c1")
	w.sets["0"] = says("steady")
	w.put("0", w.namedRow("steady", "0"))
	served, stop := w.keepAsking(func(got answer) bool { return got.status != 200 || got.body != "steady" }, "steady.test")
	for i := 0; i < 200 || served.Load() < 500; i++ {
		from, to := strconv.Itoa(i), strconv.Itoa(i+1)
		w.sets[to] = says("steady")
		w.change(from, to, nil, w.namedRow("steady", to))
		delete(w.sets, from)
		if i%50 == 25 {
			w.load("c" + to)
		}
	}
	stop()
	w.expectAlive(1)
}

// TestARowAndItsPolicySetAreFoundTogether has changes come between the two. On one processor whoever looks up is stopped
// anywhere for a whole change.
func TestARowAndItsPolicySetAreFoundTogether(t *testing.T) {
	w := newWorld(t)
	w.sets = map[string]any{"0": says("0")}
	w.load("c1")
	w.put("0", w.namedRow("a", "0"))
	h := &Handler{app: app.Running()}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stopped atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stopped.Load() {
				to := h.find(&table.Request{Port: uint16(w.port), Host: "a.test", Path: "/"})
				if to.set == nil {
					t.Error("the row has no policy set")
					return
				}
				to.set.Leave()
			}
		})
	}
	for i := range 100 {
		runtime.Gosched()
		to := strconv.Itoa(i + 1)
		w.sets = map[string]any{to: says(to)}
		w.change(strconv.Itoa(i), to, nil, w.namedRow("a", to))
	}
	stopped.Store(true)
	readers.Wait()
	w.expectAlive(1)
}

func TestMemoryReturnsAfterPolicySets(t *testing.T) {
	const many = 1000
	w := newWorld(t)
	w.load("c1")
	w.put("0")
	at := 0
	round := func() {
		w.sets = map[string]any{}
		var rows []table.RowJSON
		var ids []string
		for i := range many {
			key := strconv.Itoa(i)
			w.sets[key] = map[string]any{"handle": []any{
				map[string]any{"handler": "headers", "response": map[string]any{"set": map[string]any{"X-Set": []string{key}}}},
				map[string]any{"handler": "test_mayfly"}, proxySet["handle"].([]any)[0],
			}}
			row := w.namedRow("r"+key, key)
			rows, ids = append(rows, row), append(ids, row.ID)
		}
		w.change(strconv.Itoa(at), strconv.Itoa(at+1), nil, rows...)
		w.expectAlive(many)
		w.change(strconv.Itoa(at+1), strconv.Itoa(at+2), ids)
		w.expectAlive(0)
		at += 2
	}
	round()
	before, goroutines := liveBytes(), runtime.NumGoroutine()
	for range 3 {
		round()
	}
	// A thousand sets take some 20 MB.
	if grown := int64(liveBytes()) - int64(before); grown > 2<<20 {
		t.Errorf("%d bytes more are alive after %d sets came and went", grown, 3*many)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 50 {
		t.Errorf("%d goroutines more", more)
	}
}

func liveBytes() uint64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
