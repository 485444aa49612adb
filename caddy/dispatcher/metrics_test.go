package dispatcher

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/internal/freeport"
)

func TestTheAdminEndpointTellsMetrics(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	if status, answer := w.call("GET", "/gatewright/metrics?ingresses=3", nil); status != 200 || answer["families"] == nil {
		t.Errorf("%d %v", status, answer)
	}
	for _, wrong := range []string{"ingresses=many", "ingresses=-1", "histograms=many", "ingresses=3&histograms=-1"} {
		if status, answer := w.call("GET", "/gatewright/metrics?"+wrong, nil); status != 400 || answer["error"] == nil {
			t.Errorf("%s: %d %v", wrong, status, answer)
		}
	}
}

// ofRequests tells whether a family is of requests; the same process counts more.
func ofRequests(family string) bool {
	first, _, _ := strings.Cut(family, "_")
	return slices.Contains([]string{"requests", "request", "response", "refused", "unrouted", "upstream", "forward", "unhealthy"}, first)
}

// counters are the counters of requests and the numbers of observations that the admin endpoint tells, by family and labels.
func (w *world) counters(ingresses int) map[string]float64 {
	w.t.Helper()
	_, answer := w.call("GET", fmt.Sprint("/gatewright/metrics?ingresses=", ingresses), nil)
	all := map[string]float64{}
	for _, one := range answer["families"].([]any) {
		family := one.(map[string]any)
		name := strings.TrimSuffix(strings.TrimPrefix(family["name"].(string), "gatewright_"), "_total")
		for _, one := range family["samples"].([]any) {
			sample := one.(map[string]any)
			labels := []string{}
			for _, label := range sample["l"].([]any) {
				labels = append(labels, label.(string))
			}
			value, _ := sample["v"].(float64)
			if family["type"] == "histogram" {
				value, _ = sample["n"].(float64)
			}
			key := name + "{" + strings.Join(labels, ",") + "}"
			if !ofRequests(name) {
				continue
			}
			if _, twice := all[key]; twice {
				w.t.Errorf("%s is there twice", key)
			}
			all[key] = value
		}
	}
	return all
}

// moved is what has grown between two looks, families of sizes and connections left out.
func moved(before, after map[string]float64) string {
	var moves []string
	for key, value := range after {
		family, _, _ := strings.Cut(key, "{")
		if slices.Contains([]string{"request_bytes", "response_bytes", "upstream_connections", "request_size_bytes", "response_size_bytes", "upstream_connect_duration_seconds"}, family) {
			continue
		}
		if more := value - before[key]; more != 0 {
			moves = append(moves, fmt.Sprintf("%s%+g", key, more))
		}
	}
	slices.Sort(moves)
	return strings.Join(moves, " ")
}

func TestEachCauseMovesItsCounters(t *testing.T) {
	w := causes(t)
	ended := recorded(t)
	before := w.counters(100)
	for _, c := range outcomes {
		w.ask(c.method, c.host, c.path, c.body)
		e := next(t, ended)
		after := w.counters(100)
		want := strings.Fields(c.moves)
		if name := strings.TrimSuffix(c.host, ".test"); e.Miss == "" {
			class := map[string]string{"GET": "safe", "POST": "unsafe"}[c.method]
			want = append(want, fmt.Sprintf("requests{%s,%s,%d,1.1}+1", name, class, e.Status), fmt.Sprintf("request_duration_seconds{%s}+1", name))
			if len(e.Attempts) > 0 {
				want = append(want, "upstream_selection_duration_seconds{}+1")
			}
			if e.Last() != nil && e.Last().FirstByte > 0 {
				want = append(want, fmt.Sprintf("upstream_first_byte_duration_seconds{%s}+1", name))
			}
		}
		slices.Sort(want)
		if got := moved(before, after); got != strings.Join(want, " ") {
			t.Errorf("%s %s%s moved\n%s, want\n%s", c.method, c.host, c.path, got, strings.Join(want, " "))
		}
		before = after
	}
}

// What a client writes is in no label, whatever becomes of its request.
func TestNoLabelHasWhatAClientWrote(t *testing.T) {
	w := causes(t)
	ended := recorded(t)
	// Tests before have moved others.
	before := w.counters(100)
	sent := 0
	for _, c := range outcomes {
		for _, host := range []string{c.host, mark + ".test"} {
			request, err := http.NewRequest(c.method, fmt.Sprintf("http://127.0.0.1:%d%s/%s?q=%s", w.port, strings.TrimSuffix(c.path, "/"), mark, mark), strings.NewReader(mark))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			request.SetBasicAuth(mark, mark)
			for _, name := range []string{"X-Key", "X-Request-Id", "X-Forwarded-For", "Cookie", "User-Agent", "X-" + mark, "Traceparent"} {
				request.Header.Set(name, mark)
			}
			response, err := w.client.Do(request)
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			next(t, ended)
			sent++
		}
	}
	w.sendRaw(mark+" / HTTP/1.1\r\nHost: well.test\r\nConnection: close\r\n\r\n", false)
	next(t, ended)
	for ingresses := range 3 {
		_, answer := w.call("GET", fmt.Sprint("/gatewright/metrics?ingresses=", ingresses*20), nil)
		// By its letters: the digits may be those of any count.
		if text := strings.ToLower(fmt.Sprint(answer)); strings.Contains(text, "marked") || strings.Contains(text, "127.0.0.1") {
			t.Errorf("after %d requests: %s", sent, text)
		}
	}
	// Beside the names of ingresses labels are words that are known.
	words := []string{"safe", "unsafe", "1.1", "idle", "in_use", "access", "other", "_other"}
	for _, c := range outcomes {
		words = append(words, strings.FieldsFunc(c.want+" "+c.moves+" "+strings.TrimSuffix(c.host, ".test"), func(r rune) bool { return strings.ContainsRune(" ,{}()+", r) })...)
	}
	for _, miss := range exchange.Misses {
		words = append(words, string(miss))
	}
	for key, count := range w.counters(100) {
		if count == before[key] {
			continue
		}
		_, labels, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
		for label := range strings.SplitSeq(labels, ",") {
			if label != "" && !slices.Contains(words, label) && !isStatus(label) {
				t.Errorf("%s: nobody knows %q", key, label)
			}
		}
	}
}

func isStatus(label string) bool {
	status, err := strconv.Atoi(label)
	return err == nil && http.StatusText(status) != ""
}

func TestTrafficOfAnIngress(t *testing.T) {
	w := causes(t)
	ended := recorded(t)
	for range 3 {
		w.ask("POST", "well.test", "/", "hello")
		next(t, ended)
	}
	w.ask("GET", "second.test", "/", "")
	retried := next(t, ended)
	w.ask("GET", "broken.test", "/", "")
	next(t, ended)
	window := func(ingress, seconds string) map[string]any {
		t.Helper()
		status, answer := w.call("GET", "/gatewright/traffic?ingress="+ingress+t.Name(), nil)
		if status != 200 || len(answer["windows"].(map[string]any)) != 3 {
			t.Fatalf("%s: %d %v", ingress, status, answer)
		}
		return answer["windows"].(map[string]any)[seconds].(map[string]any)
	}
	for _, seconds := range []string{"60", "300", "900"} {
		got := window("well", seconds)
		rate, _ := got["rate"].(float64)
		p50, _ := got["p50"].(float64)
		p99, _ := got["p99"].(float64)
		if got["requests"] != 3.0 || got["received_bytes"] != 15.0 || got["sent_bytes"] != 6.0 || rate <= 0 || p50 <= 0 || p99 < p50 {
			t.Errorf("%s: %v", seconds, got)
		}
		if statuses := got["statuses"].(map[string]any); len(statuses) != 1 || statuses["200"] != 3.0 {
			t.Errorf("%s: statuses %v", seconds, statuses)
		}
	}
	targets := window("second", "60")["targets"].([]any)
	if len(targets) != 2 {
		t.Fatalf("targets: %v", targets)
	}
	for _, one := range targets {
		target := one.(map[string]any)
		failed := target["address"] == retried.Attempts[0].Address
		if target["target"] != "well" || target["requests"] != 1.0 || (target["failures"] == 1.0) != failed || (target["p95"] == nil) != failed {
			t.Errorf("target %v, failed %v", target, failed)
		}
	}
	if target := window("broken", "60")["targets"].([]any)[0].(map[string]any); target["failures"] != 1.0 {
		t.Errorf("an answer of 500: %v", target)
	}
	if got := window("nobody", "900"); got["requests"] != 0.0 || got["p95"] != nil || len(got["targets"].([]any)) != 0 {
		t.Errorf("without traffic: %v", got)
	}
	if status, answer := w.call("GET", "/gatewright/traffic", nil); status != 400 {
		t.Errorf("without an ingress: %d %v", status, answer)
	}
}

// Health and failures are seen where addresses are left out.
func TestEjectionsAreCounted(t *testing.T) {
	w := newWorld(t)
	ended := recorded(t)
	passive := proxySetBy(map[string]any{"protocol": "gatewright"})
	passive["handle"].([]any)[0].(map[string]any)["dynamic_upstreams"] = map[string]any{
		"source": "gatewright", "passive": map[string]any{"max_fails": 1, "fail_duration": "1h"},
	}
	w.sets["passive"] = passive
	w.load("c1")
	port := freeport.Find(t)
	w.named("gone")
	row := w.row("left/0", "left.test", "gone", port)
	row.Policy = "passive"
	w.put("t1", row)
	before := w.counters(10)
	w.ask("GET", "left.test", "/", "")
	next(t, ended)
	if got := moved(before, w.counters(10)); !strings.Contains(got, "upstream_ejections{ingress-left/0,request}+1") {
		t.Error(got)
	}
	address := fmt.Sprint("127.0.0.1:", port)
	told := map[string]any{"rules": map[string]any{"left/0": map[string]any{"unhealthy": []string{address}}}}
	for range 2 {
		if status, answer := w.call("POST", "/gatewright/targets", told); status != 200 {
			t.Fatal(status, answer)
		}
	}
	after := w.counters(10)
	if after["upstream_ejections{ingress-left/0,check}"] != 1 || after["unhealthy_targets{ingress-left/0,"+address+"}"] != 1 {
		t.Errorf("%v", after)
	}
	if none := w.counters(0); none["unhealthy_targets{_other,_other}"] != 1 {
		t.Errorf("without names: %v", none)
	}
	w.call("POST", "/gatewright/targets", map[string]any{"reset": true})
	if well := w.counters(10); well["unhealthy_targets{ingress-left/0,"+address+"}"] != 0 {
		t.Errorf("well again: %v", well)
	}
}
