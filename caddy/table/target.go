package table

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unique"
)

// Target is where requests of a row may go: exactly one of Instance, Service and Address, and a port.
type Target struct {
	// Instance may contain captures of the host, as `{name}`.
	Instance string `json:"instance,omitempty"`
	// Service stands for each running instance of it.
	Service string `json:"service,omitempty"`
	// Address is an IP address, or a DNS name outside of the zone of instances.
	Address string `json:"address,omitempty"`
	// Resolvers are the DNS servers (`ip:port`) for a name in Address. Default: the system's.
	Resolvers []string `json:"resolvers,omitempty"`
	Port      int      `json:"port"`
	// Weight is the share among the targets, however many addresses each has. Default: 1.
	Weight *int `json:"weight,omitempty"`
	// Mode is "drain" (no new requests) or "pause" (new requests wait). Default: neither.
	Mode string `json:"mode,omitempty"`
	// PauseMS is how long a request waits for a paused target.
	PauseMS int64 `json:"pause_ms,omitempty"`
	// WakeMS has an instance without an address started, and is how long a request waits for that.
	WakeMS int64 `json:"wake_ms,omitempty"`
}

// Mode is how a target takes requests.
type Mode uint8

// The modes of a target.
const (
	Active Mode = iota
	Drain
	Pause
)

// ParseMode reads "drain" or "pause"; "" and "active" are Active.
func ParseMode(text string) (mode Mode, ok bool) {
	switch text {
	case "", "active":
		return Active, true
	case "drain":
		return Drain, true
	case "pause":
		return Pause, true
	}
	return Active, false
}

// Special is what distinguishes a target from an active instance of weight 1. It is immutable.
type Special struct {
	// Service is its name, when the target is one.
	Service string
	// Address is an IP address, or a DNS name outside of the zone.
	Address string
	// Addrs has the IP address, and Dials the same with the port as text; nil for a target that needs DNS.
	Addrs []netip.Addr
	Dials []string
	// Resolvers are joined by commas.
	Resolvers string
	Weight    int
	Mode      Mode
	// Pause and Wake are how long a request waits; a Wake of 0 does not wake.
	Pause, Wake time.Duration
}

type target struct {
	// instance is asked of the DNS of instances; "" for an address.
	instance string
	captures *template // nil when instance is literal
	special  *Special  // nil for an active instance of weight 1
	port     uint16
}

// Targets is the number of targets.
func (r *Row) Targets() int { return len(r.targets) }

// Plain tells whether the row's only target is an active instance.
func (r *Row) Plain() bool { return len(r.targets) == 1 && r.targets[0].special == nil }

// Special is what distinguishes the i-th target from an active instance of weight 1; nil when it is one.
func (r *Row) Special(i int) *Special { return r.targets[i].special }

// Target is the name of the i-th target of a request for host, captures expanded, and its port; host is what Lookup
// returned. The name of a service is that of all its instances in the zone; an address has none.
func (r *Row) Target(i int, host string) (instance string, port uint16) {
	t := &r.targets[i]
	if t.captures == nil {
		return t.instance, t.port
	}
	return t.captures.expand(host), t.port
}

// Captures tells whether the i-th target is known only when a request comes.
func (r *Row) Captures(i int) bool { return r.targets[i].captures != nil }

// serviceSuffix ends the names of services in the zone of instances.
const serviceSuffix = ".svc"

func compileTargets(given []Target, captures map[string]int, problem func(string, ...any)) []target {
	if len(given) == 0 {
		return nil
	}
	targets := make([]target, len(given))
	for i := range given {
		targets[i] = compileTarget(i, &given[i], captures, problem)
	}
	return targets
}

func compileTarget(i int, t *Target, captures map[string]int, problem func(string, ...any)) target {
	if t.Port < 1 || t.Port > 65535 {
		problem("targets[%d].port %d is not between 1 and 65535", i, t.Port)
	}
	kinds := 0
	for _, text := range []string{t.Instance, t.Service, t.Address} {
		if text != "" {
			kinds++
		}
	}
	if kinds != 1 {
		problem("targets[%d] has not exactly one of instance, service and address", i)
	}
	compiled := target{port: uint16(t.Port), special: compileSpecial(i, t, problem)}
	switch {
	case t.Instance != "":
		tmpl, err := parseTemplate(t.Instance, captures)
		if err != nil {
			problem("targets[%d].instance %q: %v", i, t.Instance, err)
		}
		if compiled.captures = tmpl; tmpl == nil {
			compiled.instance = strings.ToLower(t.Instance)
		}
	case t.Service != "":
		compiled.instance = unique.Make(strings.ToLower(t.Service) + serviceSuffix).Value()
	}
	return compiled
}

func compileSpecial(i int, t *Target, problem func(string, ...any)) *Special {
	weight := 1
	if t.Weight != nil {
		weight = *t.Weight
	}
	mode, ok := ParseMode(t.Mode)
	if !ok {
		problem("targets[%d].mode %q is neither \"drain\" nor \"pause\"", i, t.Mode)
	}
	if weight < 0 || weight > 1000 {
		problem("targets[%d].weight %d is not between 0 and 1000", i, weight)
	}
	if t.PauseMS < 0 || t.WakeMS < 0 {
		problem("targets[%d]: pause_ms or wake_ms is negative", i)
	}
	if t.WakeMS > 0 && t.Instance == "" {
		problem("targets[%d]: only an instance can be woken", i)
	}
	if t.Instance != "" && weight == 1 && mode == Active && t.WakeMS == 0 {
		return nil
	}
	special := &Special{
		Service: strings.ToLower(t.Service), Address: t.Address, Weight: weight, Mode: mode,
		Pause: time.Duration(t.PauseMS) * time.Millisecond, Wake: time.Duration(t.WakeMS) * time.Millisecond,
	}
	if addr, err := netip.ParseAddr(t.Address); err == nil && addr.Zone() == "" {
		special.Addrs = []netip.Addr{addr.Unmap()}
		special.Dials = []string{netip.AddrPortFrom(addr.Unmap(), uint16(t.Port)).String()}
	}
	for j, text := range t.Resolvers {
		if _, err := netip.ParseAddrPort(text); err != nil {
			problem("targets[%d].resolvers[%d] %q is not an IP address and port", i, j, text)
		}
	}
	if len(t.Resolvers) > 0 && (t.Address == "" || special.Addrs != nil) {
		problem("targets[%d]: resolvers need a DNS name in address", i)
	}
	special.Resolvers = unique.Make(strings.Join(slices.Clone(t.Resolvers), ",")).Value()
	return special
}
