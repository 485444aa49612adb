package rehearsal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// explained are the handlers that are told of in another way than by running them.
var explained = map[string]bool{"rate_limit": true, "reverse_proxy": true, "subroute": true}

// Every handler that Gatewright renders can be rehearsed: a policy of which explain knows nothing would be found out in an
// outage.
func TestEveryHandlerIsKnown(t *testing.T) {
	files, err := filepath.Glob("../../test/golden/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	seen := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden struct {
			Want struct {
				Table struct {
					Sets map[string]struct {
						Handle []json.RawMessage `json:"handle"`
					} `json:"policy_sets"`
				} `json:"table"`
			} `json:"want"`
		}
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, set := range golden.Want.Table.Sets {
			checkHandlers(t, file, set.Handle, seen)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %v", seen)
	}
}

func checkHandlers(t *testing.T, file string, handlers []json.RawMessage, seen map[string]bool) {
	for _, text := range handlers {
		var handler struct {
			Handler string `json:"handler"`
			Routes  []struct {
				Handle []json.RawMessage `json:"handle"`
			} `json:"routes"`
		}
		if err := json.Unmarshal(text, &handler); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		seen[handler.Handler] = true
		if !explained[handler.Handler] && !harmless[caddy.ModuleID("http.handlers."+handler.Handler)] {
			t.Errorf("%s: nothing is known of the handler %s", file, handler.Handler)
		}
		for _, route := range handler.Routes {
			checkHandlers(t, file, route.Handle, seen)
		}
	}
}
