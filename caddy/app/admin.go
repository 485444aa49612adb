package app

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/internal/admin"
)

func init() { caddy.RegisterModule(Admin{}) }

// Admin is the module `admin.api.gatewright`: routes of Caddy's admin endpoint that read and change the host
// table of the process and the addresses that it knows.
//
//	GET   /gatewright/state      → {"config": "<version>", "generation": 3, "table": "<version>", "changes": 5, "rows": 2, "staged": false}
//	PUT   /gatewright/table      {"version": "v2", "rows": […], "policy_sets": {"<key>": {"handle": […]}}}
//	PATCH /gatewright/table      {"from": "v1", "to": "v2", "remove": ["id"], "upsert": […], "policy_sets": {…}}
//	POST  /gatewright/table/commit {"version": "v2"}
//	GET   /gatewright/policy_sets → {"policy_sets": {"<key>": {"handle": […]}}}
//	GET   /gatewright/metrics?ingresses=1000&histograms=100 → {"families": [{"name": "gatewright_…", "type": "counter", "labels": ["ingress"], "samples": [{"l": ["shop"], "v": 5}]}]}
//	GET   /gatewright/traffic?ingress=<id>   → {"windows": {"60": {"requests": 12, "rate": 0.2, …}, "300": …, "900": …}}
//	GET   /gatewright/traffic/minutes        → {"minutes": [{"start": 1700000040, "requests": 12, "errors": 0}, …]}, of the last 15
//	POST  /gatewright/addresses  {"names": {"web-1": {"addresses": ["10.0.0.5"]}}, "flush": true}, or all of them: {"reset": true, "known": {"web-1": ["10.0.0.5"]}}
//	POST  /gatewright/targets    {"reset": true, "rules": {"shop/0": {"unhealthy": ["10.0.0.5:80"]}}, "instances": {"web-1": {"mode": "drain"}}}
//	GET   /gatewright/wakes      → {"instances": ["web-2"]}, as soon as requests wait for instances to be started
//
// Changes answer with the state after them. A change is made whole or not at all: 400 when something is wrong
// with it, with every problem as {"error": "…", "problems": [{"id": "<row>", "problem": "…"}]}, and 412 when a
// delta is from another version than the running one. One with "staged": true is not stored yet and may be taken back: it is
// served, but no authority is asked for certificates of names that came with it, until it is committed or followed by a
// change that is not staged.
type Admin struct{ ctx context.Context }

// CaddyModule returns the module's information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatewright", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin endpoint.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		admin.Route("/gatewright/state", admin.Actions{http.MethodGet: getState}),
		admin.Route("/gatewright/table", admin.Actions{http.MethodPut: change(putTable), http.MethodPatch: change(patchTable)}),
		admin.Route("/gatewright/table/commit", admin.Actions{http.MethodPost: change(commitTable)}),
		admin.Route("/gatewright/policy_sets", admin.Actions{http.MethodGet: getPolicySets}),
		admin.Route("/gatewright/metrics", admin.Actions{http.MethodGet: getMetrics}),
		admin.Route("/gatewright/traffic", admin.Actions{http.MethodGet: getTraffic}),
		admin.Route("/gatewright/traffic/minutes", admin.Actions{http.MethodGet: getMinutes}),
		admin.Route("/gatewright/addresses", admin.Actions{http.MethodPost: change(postAddresses)}),
		admin.Route("/gatewright/targets", admin.Actions{http.MethodPost: change(postTargets)}),
		admin.Route("/gatewright/wakes", admin.Actions{http.MethodGet: a.getWakes}),
	}
}

// change answers with the state after it.
func change(make func(r *http.Request) error) func(r *http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if err := make(r); err != nil {
			return nil, err
		}
		return currentState(), nil
	}
}

type state struct {
	Config string `json:"config"`
	// Generation counts the configurations of this process, whoever loaded them. A change by `/config/…` keeps the
	// version that it finds, but not this number.
	Generation uint64 `json:"generation"`
	Table      string `json:"table"`
	// Changes counts those of the host table in this process, whoever made them: its version is what they say it is.
	Changes uint64 `json:"changes"`
	Rows    int    `json:"rows"`
	// Staged: the last change of it is not stored yet.
	Staged bool `json:"staged"`
}

func currentState() (s state) {
	if app := Running(); app != nil {
		s.Config, s.Generation = app.Version, app.generation
	}
	s.Table, s.Rows, s.Changes = hostTable.State()
	s.Staged = hostTable.IsStaged()
	return s
}

func getState(*http.Request) (any, error) { return currentState(), nil }

// Interface guards.
var (
	_ caddy.AdminRouter = (*Admin)(nil)
	_ caddy.Provisioner = (*Admin)(nil)
)
