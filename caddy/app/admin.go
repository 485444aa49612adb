package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(Admin{}) }

// maxBody bounds the body of a change: a million rows have about 300 MB.
const maxBody = 1 << 30

// Admin is the module `admin.api.gatewright`: routes of Caddy's admin endpoint that read and change the host
// table of the process and the addresses that it knows.
//
//	GET   /gatewright/state      → {"config": "<version>", "generation": 3, "table": "<version>", "changes": 5, "rows": 2}
//	PUT   /gatewright/table      {"version": "v2", "rows": […]}
//	PATCH /gatewright/table      {"from": "v1", "to": "v2", "remove": ["id"], "upsert": […]}
//	GET   /gatewright/refusals   → {"rules": {"shop/0": {"403": 2, "429": 17}}}
//	POST  /gatewright/addresses  {"names": {"web-1": {"addresses": ["10.0.0.5"]}}, "flush": true}, or all of them: {"reset": true, "known": {"web-1": ["10.0.0.5"]}}
//	POST  /gatewright/targets    {"reset": true, "rules": {"shop/0": {"unhealthy": ["10.0.0.5:80"]}}, "instances": {"web-1": {"mode": "drain"}}}
//	GET   /gatewright/wakes      → {"instances": ["web-2"]}, as soon as requests wait for instances to be started
//
// Changes answer with the state after them. A change is made whole or not at all: 400 when something is wrong
// with it, with every problem as {"error": "…", "problems": [{"id": "<row>", "problem": "…"}]}, and 412 when a
// delta is from another version than the running one.
type Admin struct{ ctx context.Context }

// CaddyModule returns the module's information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatewright", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin endpoint.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/gatewright/state", Handler: endpoint(map[string]action{http.MethodGet: getState})},
		{Pattern: "/gatewright/table", Handler: endpoint(map[string]action{http.MethodPut: putTable, http.MethodPatch: patchTable})},
		{Pattern: "/gatewright/refusals", Handler: caddy.AdminHandlerFunc(getRefusals)},
		{Pattern: "/gatewright/addresses", Handler: endpoint(map[string]action{http.MethodPost: postAddresses})},
		{Pattern: "/gatewright/targets", Handler: endpoint(map[string]action{http.MethodPost: postTargets})},
		{Pattern: "/gatewright/wakes", Handler: caddy.AdminHandlerFunc(a.getWakes)},
	}
}

// action does what a request asks for; nil means done.
type action func(r *http.Request) error

func endpoint(actions map[string]action) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		act := actions[r.Method]
		if act == nil {
			methods := make([]string, 0, len(actions))
			for method := range actions {
				methods = append(methods, method)
			}
			w.Header().Set("Allow", strings.Join(methods, ", "))
			return respond(w, http.StatusMethodNotAllowed, failure{Error: "method not allowed"})
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := act(r); err != nil {
			return respondError(w, err)
		}
		return respond(w, http.StatusOK, currentState())
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
}

func currentState() (s state) {
	if app := Running(); app != nil {
		s.Config, s.Generation = app.Version, app.generation
	}
	s.Table, s.Rows, s.Changes = hostTable.State()
	return s
}

type failure struct {
	Error    string          `json:"error"`
	Problems []table.Problem `json:"problems,omitempty"`
}

func respondError(w http.ResponseWriter, err error) error {
	var refusal *table.Refusal
	var version *table.VersionError
	switch {
	case errors.As(err, &refusal):
		return respond(w, http.StatusBadRequest, failure{err.Error(), refusal.Problems})
	case errors.As(err, &version):
		return respond(w, http.StatusPreconditionFailed, failure{Error: err.Error()})
	}
	return respond(w, http.StatusBadRequest, failure{Error: err.Error()})
}

func respond(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(body)
}

func getState(*http.Request) error { return nil }

// Interface guards.
var (
	_ caddy.AdminRouter = (*Admin)(nil)
	_ caddy.Provisioner = (*Admin)(nil)
)
