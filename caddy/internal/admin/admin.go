// Package admin has Gatewright's routes of Caddy's admin endpoint answer in one way.
package admin

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/table"
)

// maxBody bounds the body of a request: a million rows have about 300 MB.
const maxBody = 1 << 30

// Actions do what requests ask for, by method. They return what is answered as JSON; an error is answered with 400, and
// with 412 when a change is from another version than the running one.
type Actions map[string]func(r *http.Request) (any, error)

type failure struct {
	Error    string          `json:"error"`
	Problems []table.Problem `json:"problems,omitempty"`
}

// Route is a route of the admin endpoint. Other methods than those of its actions get 405.
func Route(pattern string, actions Actions) caddy.AdminRoute {
	return caddy.AdminRoute{Pattern: pattern, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		act := actions[r.Method]
		if act == nil {
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(actions)), ", "))
			return respond(w, http.StatusMethodNotAllowed, failure{Error: "method not allowed"})
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answer, err := act(r)
		var refusal *table.Refusal
		var version *table.VersionError
		switch {
		case err == nil:
			return respond(w, http.StatusOK, answer)
		case errors.As(err, &refusal):
			return respond(w, http.StatusBadRequest, failure{err.Error(), refusal.Problems})
		case errors.As(err, &version):
			return respond(w, http.StatusPreconditionFailed, failure{Error: err.Error()})
		}
		return respond(w, http.StatusBadRequest, failure{Error: err.Error()})
	})}
}

// Stream is a route whose GET writes its answer by itself, as long as it may be.
func Stream(pattern string, write func(w http.ResponseWriter, r *http.Request) error) caddy.AdminRoute {
	return caddy.AdminRoute{Pattern: pattern, Handler: caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			return respond(w, http.StatusMethodNotAllowed, failure{Error: "method not allowed"})
		}
		return write(w, r)
	})}
}

func respond(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(body)
}
