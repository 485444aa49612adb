package layer4

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/internal/admin"
)

func init() { caddy.RegisterModule(Admin{}) }

// Admin is the module `admin.api.gatewright_layer4`: what is counted of rules of layer 4 since the process began.
//
//	GET /gatewright/layer4 → {"rules": {"<row id>": {"active": 1, "total": 7, …}}}
//
// A rule that was deleted is listed until its last connection has ended.
type Admin struct{}

// CaddyModule returns the module's information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatewright_layer4", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin endpoint.
func (Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{admin.Route("/gatewright/layer4", admin.Actions{http.MethodGet: getCounters})}
}

type ruleReport struct {
	Active uint64 `json:"active"`
	Total  uint64 `json:"total"`
	Failed uint64 `json:"failed"`
	// Refused were turned away because of their address.
	Refused       uint64                   `json:"refused"`
	ReceivedBytes uint64                   `json:"received_bytes"`
	SentBytes     uint64                   `json:"sent_bytes"`
	LastError     string                   `json:"last_error,omitempty"`
	LastErrorAt   *time.Time               `json:"last_error_at,omitempty"`
	Addresses     map[string]addressReport `json:"addresses"`
}

type addressReport struct {
	Active int64 `json:"active"`
	// Reachable is what the last connection found; absent before there was one.
	Reachable *bool      `json:"reachable,omitempty"`
	TriedAt   *time.Time `json:"tried_at,omitempty"`
	LastError string     `json:"last_error,omitempty"`
}

func getCounters(*http.Request) (any, error) {
	reports := make(map[string]ruleReport)
	eachRule(func(id string, of *rule) { reports[id] = of.report() })
	return map[string]any{"rules": reports}, nil
}

func (r *rule) report() ruleReport {
	told := ruleReport{
		Active: r.active.Load(), Total: r.total.Load(), Failed: r.failed.Load(), Refused: r.refused.Load(),
		ReceivedBytes: r.received.Load(), SentBytes: r.sent.Load(), Addresses: make(map[string]addressReport),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastError != "" {
		at := r.lastAt
		told.LastError, told.LastErrorAt = r.lastError, &at
	}
	for at, known := range r.pool.Addresses() {
		address := addressReport{Active: known.Active, LastError: known.LastError}
		if reachable := known.LastError == ""; !known.TriedAt.IsZero() {
			address.Reachable, address.TriedAt = &reachable, &known.TriedAt
		}
		told.Addresses[at] = address
	}
	return told
}

// Interface guards.
var _ caddy.AdminRouter = Admin{}
