package app

import (
	"net/http"

	"gatewright.dev/caddy/internal/refusals"
)

// getRefusals answers how many requests policies turned away.
func getRefusals(*http.Request) (any, error) {
	refusals.All.Keep(hostTable.Has)
	return map[string]any{"rules": refusals.All.Read()}, nil
}
