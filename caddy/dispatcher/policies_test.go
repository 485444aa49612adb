package dispatcher

import (
	"testing"

	"gatewright.dev/caddy/internal/refusals"
	"gatewright.dev/caddy/table"
)

// closedSet refuses everybody with a status.
func closedSet(status int, more map[string]any) map[string]any {
	refuse := map[string]any{"handler": "gatewright_refuse", "status": status, "reason": "a test"}
	for key, value := range more {
		refuse[key] = value
	}
	return map[string]any{"handle": []any{refuse}}
}

func TestOwnErrorPages(t *testing.T) {
	w := newWorld(t)
	own := closedSet(403, nil)
	own["error_pages"] = map[string]string{"403": "<p>{env.HOME}", "4xx": "class"}
	other := closedSet(410, nil)
	other["error_pages"] = own["error_pages"]
	w.sets = map[string]any{
		"own": own, "other": other, "plain": closedSet(418, nil),
		"told": closedSet(503, map[string]any{"message": "Back at {noon}", "retry_after": 60}),
	}
	w.app["error_pages"] = map[string]string{"403": "of all", "404": "nothing here", "4xx": "class of all"}
	w.load("c1")
	var rows []table.RowJSON
	for _, id := range []string{"own", "other", "plain", "told"} {
		row := w.row(id, id+".test", "nobody", 80)
		row.Policy = id
		rows = append(rows, row)
	}
	w.put("t1", rows...)
	for _, c := range []struct {
		host, accept, contentType, body string
		status                          int
	}{
		{"own.test", "", "text/html; charset=utf-8", "<p>{env.HOME}", 403},
		{"own.test", "application/json", "application/json", `"code":"forbidden"`, 403},
		{"other.test", "", "text/plain; charset=utf-8", "class", 410},
		{"plain.test", "text/html", "text/plain; charset=utf-8", "class of all", 418},
		{"told.test", "", "text/plain; charset=utf-8", "503 Service Unavailable: Back at {noon}", 503},
		{"nobody.test", "", "text/plain; charset=utf-8", "nothing here", 404},
	} {
		got := w.get(c.host, "/", "Accept", c.accept)
		w.expect(got, c.status, c.body)
		if got.header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: Content-Type %q", c.host, got.header.Get("Content-Type"))
		}
	}
	if got := w.get("told.test", "/").header.Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	w := newWorld(t)
	refusals.All = refusals.Counts{}
	w.sets = map[string]any{"closed": closedSet(403, nil), "limited": closedSet(429, nil)}
	w.load("c1")
	closed, limited := w.row("c", "closed.test", "nobody", 80), w.row("l", "limited.test", "nobody", 80)
	closed.Policy, limited.Policy = "closed", "limited"
	w.put("t1", closed, limited)
	for range 3 {
		w.expect(w.get("closed.test", "/"), 403, "")
	}
	w.expect(w.get("limited.test", "/"), 429, "")
	_, answer := w.call("GET", "/gatewright/refusals", nil)
	rules := answer["rules"].(map[string]any)
	if rules["c"].(map[string]any)["403"] != 3.0 || rules["l"].(map[string]any)["429"] != 1.0 {
		t.Errorf("counts are %v", rules)
	}
	w.load("c2")
	w.put("t2", closed)
	_, answer = w.call("GET", "/gatewright/refusals", nil)
	rules = answer["rules"].(map[string]any)
	if rules["c"].(map[string]any)["403"] != 3.0 || len(rules) != 1 {
		t.Errorf("after a reload and without the row, counts are %v", rules)
	}
}
