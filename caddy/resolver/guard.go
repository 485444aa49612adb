package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// interfacesFor is how long the list of this machine's addresses is used before it is read again.
const interfacesFor = 10 * time.Second

// Guard decides which resolved addresses may be dialed.
//
// Addresses that are no instance's (link-local ones, metadata services of clouds; special.go has all of them) are always
// refused. What DNS answered is checked at each request: an instance that claims an address of this machine must not be
// given the requests for this machine's own listeners.
type Guard struct {
	// Deny are ranges (CIDR) that are refused. Link-local ones are in any case.
	Deny []string `json:"deny,omitempty"`
	// DenyLocalPorts are ports that are refused on loopback and on every address of this machine.
	DenyLocalPorts []uint16 `json:"deny_local_ports,omitempty"`
	// DenyListeners are addresses that this process listens on, as `ip:port` or `:port`, where what is dialed comes back.
	DenyListeners []string `json:"deny_listeners,omitempty"`
	// AllowLoopback lets loopback addresses be dialed, on other ports. Default: false.
	AllowLoopback bool `json:"allow_loopback,omitempty"`
	// Allow are ranges (CIDR) of loopback that are dialed without AllowLoopback.
	Allow []string `json:"allow,omitempty"`

	deny, allow []netip.Prefix
	listeners   map[uint16][]netip.Addr // by port; an unspecified address is every one of this machine
	local       func() map[netip.Addr]struct{}
}

// Provision parses the ranges.
func (g *Guard) Provision() (err error) {
	if g.deny, err = parsePrefixes("deny", g.Deny); err != nil {
		return err
	}
	if g.allow, err = parsePrefixes("allow", g.Allow); err != nil {
		return err
	}
	if g.listeners, err = parseListeners(g.DenyListeners); err != nil {
		return err
	}
	g.local = machine.addresses
	machine.addresses()
	return nil
}

func parsePrefixes(field string, texts []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("guard.%s[%d]: %w", field, i, err)
		}
		if prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("guard.%s[%d]: write %s as IPv4", field, i, text)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

func parseListeners(texts []string) (map[uint16][]netip.Addr, error) {
	listeners := make(map[uint16][]netip.Addr, len(texts))
	for i, text := range texts {
		if strings.HasPrefix(text, ":") {
			text = netip.IPv4Unspecified().String() + text
		}
		listener, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("guard.deny_listeners[%d]: %w", i, err)
		}
		listeners[listener.Port()] = append(listeners[listener.Port()], listener.Addr().Unmap())
	}
	return listeners, nil
}

// Refuses returns why an address and port must not be dialed; "" when they may. An address of IPv6 that leads to one of
// IPv4 is judged as both.
func (g *Guard) Refuses(addr netip.Addr, port uint16) string {
	// No range contains an address with a zone.
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "unspecified address"
	}
	if inside, is := embedded(addr); is {
		if why := g.refuses(inside, port); why != "" {
			return why
		}
	}
	return g.refuses(addr, port)
}

func (g *Guard) refuses(addr netip.Addr, port uint16) string {
	if why := special(addr); why != "" {
		return why
	}
	for _, prefix := range g.deny {
		if prefix.Contains(addr) {
			return "denied range"
		}
	}
	if slices.Contains(g.DenyLocalPorts, port) && g.isLocal(addr) {
		return "port of this machine's own services"
	}
	for _, own := range g.listeners[port] {
		if own == addr || own.IsUnspecified() && g.isLocal(addr) {
			return "listener of an ingress: the request would come back"
		}
	}
	if addr.IsLoopback() && !g.AllowLoopback && !slices.ContainsFunc(g.allow, func(prefix netip.Prefix) bool {
		return prefix.Contains(addr)
	}) {
		return "loopback address"
	}
	return ""
}

func (g *Guard) isLocal(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	_, ours := g.local()[addr]
	return ours
}

// localAddresses are the addresses of this machine's interfaces.
type localAddresses struct {
	snapshot   atomic.Pointer[localSnapshot]
	refreshing atomic.Bool
	read       func() ([]net.Addr, error)
}

type localSnapshot struct {
	addrs map[netip.Addr]struct{}
	taken time.Time
}

var machine = &localAddresses{read: net.InterfaceAddrs}

// addresses returns the list as it was last read. An old one is read again in the background.
func (l *localAddresses) addresses() map[netip.Addr]struct{} {
	snapshot := l.snapshot.Load()
	if snapshot == nil {
		l.refresh()
		return l.snapshot.Load().addrs
	}
	if time.Since(snapshot.taken) > interfacesFor && l.refreshing.CompareAndSwap(false, true) {
		go func() {
			defer l.refreshing.Store(false)
			l.refresh()
		}()
	}
	return snapshot.addrs
}

func (l *localAddresses) refresh() {
	next := &localSnapshot{addrs: make(map[netip.Addr]struct{}), taken: time.Now()}
	found, err := l.read()
	if before := l.snapshot.Load(); err != nil && before != nil {
		next.addrs = before.addrs
	}
	for _, a := range found {
		if ipNet, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(ipNet.IP); ok {
				next.addrs[addr.Unmap()] = struct{}{}
			}
		}
	}
	l.snapshot.Store(next)
}
