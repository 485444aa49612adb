package explain

import (
	"encoding/json"
	"net/http"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// rowLine is a row with what is known of its targets.
type rowLine struct {
	table.RowJSON
	Targets []targets.TargetView `json:"targets,omitempty"`
	// Unhealthy are addresses that fail their checks.
	Unhealthy []string `json:"unhealthy,omitempty"`
}

// writeRuns answers with the rows that run, and then the policy sets that they name, a line of JSON each. A slow reader
// slows it down, and nothing is kept for it but the list of the rows.
func writeRuns(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/jsonl")
	encode := json.NewEncoder(w).Encode
	var names *resolver.Resolver
	if running := app.Running(); running != nil {
		names = running.Addresses()
	}
	sets := make(map[string]bool)
	query := r.URL.Query()
	for _, row := range app.HostTable().Select(query.Get("ingress"), query.Get("host")) {
		line := rowLine{RowJSON: row.View(), Unhealthy: targets.Unhealthy(row.ID())}
		if names != nil {
			line.Targets = targets.ViewOf(row, names)
		}
		if err := encode(map[string]any{"row": line}); err != nil {
			return nil
		}
		if row.Policy() != "" {
			sets[row.Policy()] = true
		}
	}
	for key := range sets {
		if text := app.PolicySetText(key); text != nil {
			if err := encode(map[string]any{"policy_set": key, "set": text}); err != nil {
				return nil
			}
		}
	}
	return encode(map[string]any{"end": true})
}
