package dispatcher

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// mayfly is a handler that is counted while it lives: provisioned, and not cleaned up.
type mayfly struct {
	Body string `json:"body,omitempty"`
	// Fail has it refuse to be provisioned.
	Fail bool `json:"fail,omitempty"`
	// Hold has its requests wait.
	Hold bool `json:"hold,omitempty"`
	// Next has the next handler answer.
	Next  bool `json:"next,omitempty"`
	ended atomic.Bool
}

var (
	mayflies    atomic.Int64
	mayflyHeld  = make(chan struct{})
	mayflyGoes  = make(chan struct{})
	errMayfly   = errors.New("it will not live")
	errDeadfall = errors.New("a request met a handler that had been cleaned up")
)

func init() { caddy.RegisterModule(new(mayfly)) }

func (*mayfly) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_mayfly", New: func() caddy.Module { return new(mayfly) }}
}

func (m *mayfly) Provision(caddy.Context) error {
	mayflies.Add(1)
	if m.Fail {
		return errMayfly
	}
	return nil
}

func (m *mayfly) Cleanup() error {
	if !m.ended.Swap(true) {
		mayflies.Add(-1)
	}
	return nil
}

func (m *mayfly) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if m.Hold {
		mayflyHeld <- struct{}{}
		<-mayflyGoes
	}
	if m.Next {
		return next.ServeHTTP(w, r)
	}
	if m.ended.Load() {
		return errDeadfall
	}
	_, err := io.WriteString(w, m.Body)
	if m.ended.Load() {
		return errDeadfall
	}
	return err
}

func mayflySet(fields map[string]any) map[string]any {
	handler := map[string]any{"handler": "test_mayfly"}
	for key, value := range fields {
		handler[key] = value
	}
	return map[string]any{"handle": []any{handler}}
}

// says is a set whose handler answers a body.
func says(body string) map[string]any { return mayflySet(map[string]any{"body": body}) }

// expectAlive says how many mayflies there are, once what ends has ended.
func (w *world) expectAlive(want int64) {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); mayflies.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%d handlers are alive, want %d", mayflies.Load(), want)
		}
	}
}
