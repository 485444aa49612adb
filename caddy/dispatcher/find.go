package dispatcher

import (
	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/table"
)

// route is what takes a request.
type route struct {
	// row is nil where no row takes it.
	row      *table.Row
	host     string
	demanded table.Demands
	// set is of owner, and entered; nil where the row needs none, or its set is not there.
	set   *app.PolicySet
	owner *app.App
	// rehearsed is nil for a request that a client sent. Of others nothing is counted and logged.
	rehearsed *rehearsal.Record
	requestID string
}

// find looks up the row of a request, and enters its policy set. A change between the two may have taken both away:
// then the table has another answer.
func (h *Handler) find(asked *table.Request) route {
	var before *table.Row
	for {
		row, host, demanded := app.HostTable().Lookup(asked)
		to := route{row: row, host: host, demanded: demanded}
		if row == nil || row.Policy() == "" {
			return to
		}
		to.owner, to.set = h.enter(row.Policy())
		if to.set != nil || row == before {
			return to
		}
		before, asked.Clean = row, ""
	}
}

// enter finds a set in this configuration or, for a kept connection of an older one that meets a row of the newer, in
// the one that runs now.
func (h *Handler) enter(key string) (*app.App, *app.PolicySet) {
	if set := h.app.EnterPolicySet(key); set != nil {
		return h.app, set
	}
	if running := app.Running(); running != nil {
		return running, running.EnterPolicySet(key)
	}
	return nil, nil
}
