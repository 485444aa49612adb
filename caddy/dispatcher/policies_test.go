package dispatcher

import (
	"testing"

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

func TestCountsOutliveReloadsAndGoWithTheirIngress(t *testing.T) {
	w := newWorld(t)
	ended := recorded(t)
	w.sets = map[string]any{"closed": closedSet(403, map[string]any{"policy": "access"})}
	w.load("c1")
	one, other := w.row("one/0", "one.test", "nobody", 80), w.row("other/0", "other.test", "nobody", 80)
	one.Policy, other.Policy = "closed", "closed"
	w.put("t1", one, other)
	for range 3 {
		w.expect(w.get("one.test", "/"), 403, "")
		next(t, ended)
	}
	w.expect(w.get("other.test", "/"), 403, "")
	next(t, ended)
	const ofOne, ofOther = "refused_requests{ingress-one/0,access}", "refused_requests{ingress-other/0,access}"
	if counts := w.counters(100); counts[ofOne] != 3 || counts[ofOther] != 1 {
		t.Errorf("counts are %v", counts)
	}
	w.load("c2")
	w.put("t2", one)
	if counts := w.counters(100); counts[ofOne] != 3 || counts[ofOther] != 0 {
		t.Errorf("after a reload and without the row, counts are %v", counts)
	}
}
