package certificates

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func tell(t *testing.T, name string, data map[string]any) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	event, err := caddy.NewEvent(ctx, name, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Recorder{}).Handle(context.Background(), event); err != nil {
		t.Fatalf("an event was aborted: %v", err)
	}
}

func send(t *testing.T, method, body string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(method, "/gatewright/certificates", strings.NewReader(body))
	if err := (Admin{}).Routes()[0].Handler.ServeHTTP(recorder, request); err != nil {
		t.Fatal(err)
	}
	return recorder
}

func ask(t *testing.T, body string) (int, []state) {
	t.Helper()
	recorder := send(t, http.MethodPost, body)
	var got struct{ Certificates []state }
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return recorder.Code, got.Certificates
}

func TestAttemptsFollowTheEvents(t *testing.T) {
	const name = "a.example.test"
	question := `{"names":["` + name + `"]}`
	if _, states := ask(t, question); states[0].Attempt != nil || states[0].Served != nil {
		t.Fatalf("an unknown name has a state: %+v", states[0])
	}
	tell(t, "cert_obtaining", map[string]any{"identifier": name})
	if _, states := ask(t, question); states[0].Attempt == nil || states[0].Attempt.Error != "" {
		t.Fatalf("an order under way is not shown: %+v", states[0])
	}
	for range 2 {
		tell(t, "cert_obtaining", map[string]any{"identifier": name})
		tell(t, "cert_failed", map[string]any{"identifier": name, "renewal": false, "error": errors.New("rate limited")})
	}
	_, states := ask(t, question)
	if got := states[0].Attempt; got == nil || got.Failures != 2 || got.Error != "rate limited" || got.FailedAt == nil {
		t.Fatalf("a failure is not shown: %+v", got)
	}
	if states[0].Attempt.TryingSince != nil {
		t.Fatal("a try that failed is under way")
	}
	// E12: a try after a failure is told from the wait before it.
	tell(t, "cert_obtaining", map[string]any{"identifier": name})
	if _, states := ask(t, question); states[0].Attempt.TryingSince == nil || states[0].Attempt.Error != "rate limited" {
		t.Fatalf("another try is not shown: %+v", states[0].Attempt)
	}
	tell(t, "cert_obtained", map[string]any{"identifier": name})
	if _, states := ask(t, question); states[0].Attempt != nil {
		t.Fatalf("a success leaves the failure: %+v", states[0].Attempt)
	}
}

// What is told of an order: since when it is wanted, how often it failed, and whether a try is under way.
func TestWhatIsToldOfAnOrder(t *testing.T) {
	const name = "b.example.test"
	failed := func(err any, renewal bool) map[string]any {
		return map[string]any{"identifier": name, "error": err, "renewal": renewal}
	}
	tell(t, "cert_failed", failed(errors.New("first"), true))
	first := attempts.of(name)
	if first == nil || first.Since.IsZero() || !first.Renewal || first.Failures != 1 || first.TryingSince != nil {
		t.Fatalf("a failure that nothing began: %+v", first)
	}
	tell(t, "cert_obtaining", map[string]any{"identifier": name})
	// A reload ends a try and begins it again.
	tell(t, "cert_failed", failed(context.Canceled, false))
	if got := attempts.of(name); got.Since != first.Since || got.Failures != 1 || got.TryingSince == nil {
		t.Errorf("after a reload: %+v", got)
	}
	tell(t, "cert_failed", failed("no error", false))
	if got := attempts.of(name); got.Since != first.Since || got.Renewal || got.Failures != 2 || got.Error != "unknown reason" || !got.FailedAt.After(*first.FailedAt) {
		t.Errorf("after another: %+v", got)
	}
	for _, event := range []string{"cert_obtaining", "cert_failed"} {
		tell(t, event, map[string]any{"identifier": ""})
	}
	if attempts.of("") != nil {
		t.Error("an order of no name is told")
	}
	tell(t, "cert_obtained", map[string]any{"identifier": name})
}

func TestAttemptsAreBounded(t *testing.T) {
	table := attemptTable{byName: make(map[string]attempt)}
	for i := range maxAttempts {
		table.byName[string(rune(i))+"x"] = attempt{}
	}
	table.mu.Lock()
	before := len(table.byName)
	table.mu.Unlock()
	for i := before; i < maxAttempts; i++ {
		table.byName[strings.Repeat("y", i-before+1)] = attempt{}
	}
	table.put("new.example.test", attempt{Failures: 1})
	if len(table.byName) != maxAttempts {
		t.Fatalf("the table has %d entries", len(table.byName))
	}
	if got := table.of("new.example.test"); got == nil || got.Failures != 1 {
		t.Fatal("the newest entry was dropped")
	}
}

func TestAQuestionMustBeWellFormed(t *testing.T) {
	if status, _ := ask(t, `{"names":`); status != http.StatusBadRequest {
		t.Fatalf("broken JSON got %d", status)
	}
	if got := send(t, http.MethodGet, ""); got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != http.MethodPost {
		t.Fatalf("GET got %d, Allow %q", got.Code, got.Header().Get("Allow"))
	}
}
