package app

import (
	"context"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// wakesWait is how long a question for instances to wake waits for one.
const wakesWait = 20 * time.Second

// Provision keeps the configuration's context: questions that wait end with it, since the next configuration has an
// admin server of its own.
func (a *Admin) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	return nil
}

// postTargets takes what the manager knows of targets.
func postTargets(r *http.Request) error {
	var change targets.States
	if err := table.ReadStrict(r.Body, &change); err != nil {
		return err
	}
	if found := change.Problems(); len(found) > 0 {
		refusal := &table.Refusal{}
		for id, problem := range found {
			refusal.Problems = append(refusal.Problems, table.Problem{ID: id, Problem: problem})
		}
		return refusal
	}
	change.Apply()
	return nil
}

// getWakes waits until requests need instances that are to be started, and names them.
func (a *Admin) getWakes(r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), wakesWait)
	defer cancel()
	if a.ctx != nil {
		defer context.AfterFunc(a.ctx, cancel)()
	}
	return map[string]any{"instances": targets.Wakes(ctx)}, nil
}
