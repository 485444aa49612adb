package targets

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/internal/notify"
	"gatewright.dev/caddy/metrics"
	"gatewright.dev/caddy/table"
)

// RuleState is what Gatewright says of a row: addresses (`ip:port`) that take no requests of it.
type RuleState struct {
	Unhealthy []string `json:"unhealthy"`
	// Healthy is there when not all addresses are known and checked yet: of others than these and Unhealthy, what was told
	// before stays. Where nothing was, they are unknown.
	Healthy []string `json:"healthy"`
	// WaitMS is how long requests wait for the first checks while no address is known to be healthy.
	WaitMS int64 `json:"wait_ms,omitempty"`
}

// InstanceState is how an instance takes requests, of whatever row.
type InstanceState struct {
	// Mode is "active", "drain" or "pause".
	Mode string `json:"mode"`
	// PauseMS is how long a request waits for a paused instance.
	PauseMS int64 `json:"pause_ms,omitempty"`
	// Service and Addresses are those it has as a part of a service.
	Service   string   `json:"service,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// States is a change of what is known of targets beside the host table. Each entry replaces the one before it, so
// that a change may be made twice.
type States struct {
	// Reset forgets all entries first.
	Reset bool `json:"reset,omitempty"`
	// Rules are by row id.
	Rules map[string]RuleState `json:"rules,omitempty"`
	// Instances are by name or id.
	Instances map[string]InstanceState `json:"instances,omitempty"`
	// Wakes tell what became of instances that were to be woken.
	Wakes map[string]WakeResult `json:"wakes,omitempty"`
}

// changes are those of health and modes, which requests without an address wait for.
var changes notify.Notifier

// states are those of the process: no reload touches them. Readers load a pointer, writers copy.
var states struct {
	write sync.Mutex
	// health has the rows of which not every address is healthy, modes the instances that are not active; nil when there
	// are none.
	health atomic.Pointer[map[string]*health]
	modes  atomic.Pointer[modes]
	// told tells that all has been told once.
	told atomic.Bool
}

// health is what is known of a row's addresses (`ip:port`). It does not change.
type health struct {
	unhealthy map[string]struct{}
	// healthy is nil when all that are not unhealthy are; else the others are unknown, and where none is healthy their
	// first checks are waited for until then.
	healthy map[string]struct{}
	until   time.Time
}

// untold is of checked rows before Caddy was told anything, which is a matter of moments.
var untold = &health{healthy: map[string]struct{}{}, until: time.Now().Add(5 * time.Second)}

// isUnhealthy tells whether the address takes nothing.
func (h *health) isUnhealthy(dial string) bool {
	if h == nil {
		return false
	}
	_, is := h.unhealthy[dial]
	return is
}

// more is how many addresses have become unhealthy.
func (h *health) more(before *health) (count int) {
	for dial := range h.unhealthy {
		if !before.isUnhealthy(dial) {
			count++
		}
	}
	return count
}

// isUnknown tells whether the address was not checked yet.
func (h *health) isUnknown(dial string) bool {
	if h == nil || h.healthy == nil {
		return false
	}
	_, is := h.healthy[dial]
	return !is
}

// modes are the instances that are not active.
type modes struct {
	instances map[string]*instanceMode
	// services has the same instances by service and address, since a service's answers have no names.
	services map[string]map[netip.Addr]*instanceMode
}

type instanceMode struct {
	mode    table.Mode
	pause   time.Duration
	service string
	addrs   []netip.Addr
}

// Problems names what is wrong with the change, by key; none means that Apply takes it.
func (s *States) Problems() map[string]string {
	problems := make(map[string]string)
	for row, state := range s.Rules {
		if state.WaitMS < 0 {
			problems[row] = "wait_ms is negative"
		}
		for _, dial := range slices.Concat(state.Unhealthy, state.Healthy) {
			if _, err := netip.ParseAddrPort(dial); err != nil {
				problems[row] = "an address of unhealthy or healthy is not ip:port"
			}
		}
	}
	for name, state := range s.Instances {
		if _, ok := table.ParseMode(state.Mode); !ok || state.Mode == "" {
			problems[name] = `mode is not "active", "drain" or "pause"`
		}
		if state.PauseMS < 0 {
			problems[name] = "pause_ms is negative"
		}
		for _, text := range state.Addresses {
			if _, err := netip.ParseAddr(text); err != nil {
				problems[name] = "an address is not an IP address"
			}
		}
	}
	return problems
}

// Apply makes the change, which has no problems.
func (s *States) Apply() {
	states.write.Lock()
	s.applyRules()
	s.applyInstances()
	states.write.Unlock()
	for name, result := range s.Wakes {
		wakes.finish(strings.ToLower(name), result)
	}
	changes.Tell()
}

func (s *States) applyRules() {
	var before map[string]*health
	if known := states.health.Load(); known != nil {
		before = *known
	}
	next := make(map[string]*health)
	if !s.Reset {
		maps.Copy(next, before)
	}
	for row, state := range s.Rules {
		now := state.after(before[row], states.told.Load())
		if ejected := now.more(before[row]); ejected > 0 {
			metrics.OfRow(row).Eject(metrics.EjectedByCheck, ejected)
		}
		if len(now.unhealthy) > 0 || now.healthy != nil {
			next[row] = now
		} else {
			delete(next, row)
		}
	}
	if len(next) == 0 {
		states.health.Store(nil)
	} else {
		states.health.Store(&next)
	}
	// After the rows: whoever sees that all was told sees them, too.
	if s.Reset {
		states.told.Store(true)
	}
}

func (s *States) applyInstances() {
	next := &modes{instances: make(map[string]*instanceMode), services: make(map[string]map[netip.Addr]*instanceMode)}
	if before := states.modes.Load(); before != nil && !s.Reset {
		maps.Copy(next.instances, before.instances)
	}
	for name, state := range s.Instances {
		mode, _ := table.ParseMode(state.Mode)
		if mode == table.Active {
			delete(next.instances, strings.ToLower(name))
			continue
		}
		told := &instanceMode{mode: mode, pause: time.Duration(state.PauseMS) * time.Millisecond, service: strings.ToLower(state.Service)}
		for _, text := range state.Addresses {
			addr, _ := netip.ParseAddr(text)
			told.addrs = append(told.addrs, addr.Unmap())
		}
		next.instances[strings.ToLower(name)] = told
	}
	if len(next.instances) == 0 {
		states.modes.Store(nil)
		return
	}
	for _, told := range next.instances {
		if told.service == "" {
			continue
		}
		if next.services[told.service] == nil {
			next.services[told.service] = make(map[netip.Addr]*instanceMode)
		}
		for _, addr := range told.addrs {
			next.services[told.service][addr] = told
		}
	}
	states.modes.Store(next)
}

// after is what is known of a row when the state has been told, by what was before; with told, no word of a row was a
// word that all is well.
func (s *RuleState) after(before *health, told bool) *health {
	now := &health{unhealthy: make(map[string]struct{}, len(s.Unhealthy))}
	if s.Healthy != nil {
		switch {
		case before != nil:
			maps.Copy(now.unhealthy, before.unhealthy)
			now.healthy, now.until = maps.Clone(before.healthy), before.until
		case !told:
			now.healthy, now.until = make(map[string]struct{}), time.Now().Add(time.Duration(s.WaitMS)*time.Millisecond)
		}
		for _, dial := range s.Healthy {
			delete(now.unhealthy, dial)
			if now.healthy != nil {
				now.healthy[dial] = struct{}{}
			}
		}
	}
	for _, dial := range s.Unhealthy {
		now.unhealthy[dial] = struct{}{}
		delete(now.healthy, dial)
	}
	return now
}

// AllActive tells that no instance is drained or paused.
func AllActive() bool { return states.modes.Load() == nil }

// Changed returns a channel that is closed by the next change.
func Changed() <-chan struct{} { return changes.Wait() }

// healthOf is what is known of a row's addresses; nil when all are healthy. Of a row that is known to be checked nothing
// is before all was told.
func healthOf(row string, checked bool) *health {
	told := states.told.Load()
	if all := states.health.Load(); all != nil {
		if known := (*all)[row]; known != nil {
			return known
		}
	}
	if checked && !told {
		return untold
	}
	return nil
}
