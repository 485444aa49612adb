package targets

import (
	"maps"
	"slices"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// TargetView is what is known of a target, without asking for anything.
type TargetView struct {
	table.Target
	// Addresses are `ip:port`; absent while none is known, and for a target that is known only when a request comes.
	Addresses []string `json:"addresses,omitempty"`
	// Error says why there are none.
	Error string `json:"error,omitempty"`
	// Told is the mode of the instance, whatever target it is of: "drain" or "pause".
	Told string `json:"instance_mode,omitempty"`
}

// ViewOf is what is known of the targets of a row.
func ViewOf(row *table.Row, names *resolver.Resolver) []TargetView {
	plain := row.View().Targets
	views := make([]TargetView, len(plain))
	told := states.modes.Load()
	for i := range plain {
		views[i].Target = plain[i]
		if row.Captures(i) {
			continue
		}
		origin := (&Search{Row: row, Resolver: names}).origin(i)
		if told != nil && origin.instance {
			if mode := told.instances[origin.name]; mode != nil {
				views[i].Told = mode.mode.String()
			}
		}
		if origin.resolver == nil {
			views[i].Addresses = origin.special.Dials
			continue
		}
		if item := origin.resolver.Peek(origin.name); item != nil {
			if err := item.Err(); err != nil {
				views[i].Error = err.Error()
			} else {
				views[i].Addresses = item.Dials(origin.port)
			}
		}
	}
	return views
}

// Unhealthy are the addresses (`ip:port`) that fail the checks of a row.
func Unhealthy(row string) []string {
	known := healthOf(row, false)
	if known == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(known.unhealthy))
}
