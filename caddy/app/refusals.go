package app

import (
	"encoding/json"
	"net/http"

	"gatewright.dev/caddy/internal/refusals"
)

// getRefusals answers how many requests policies turned away: {"rules": {"<rule>": {"403": 2}}}.
func getRefusals(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		return respond(w, http.StatusMethodNotAllowed, failure{Error: "method not allowed"})
	}
	refusals.All.Keep(hostTable.Has)
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(struct {
		Rules map[string]map[int]uint64 `json:"rules"`
	}{refusals.All.Read()})
}
