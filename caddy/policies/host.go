package policies

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/targets"
	"gatewright.dev/caddy/upstreams"
)

func init() { caddy.RegisterModule(new(Host)) }

// Host is the module `http.reverse_proxy.upstreams.gatewright_host`: one service by name or address, dialed only where
// the app's guard lets it. Caddy's own static upstreams would dial any address that a name resolves to.
//
// Names are found as those of targets are: an instance's address counts until the manager says otherwise, and that of a
// name elsewhere until the DNS says that it has none, or has not answered for an hour.
type Host struct {
	// Host is an IP address or a DNS name.
	Host string `json:"host"`
	Port uint16 `json:"port"`
	// Resolver is the `ip:port` of the DNS server to ask; the app's own is asked as for targets. Default: the system's.
	Resolver string `json:"resolver,omitempty"`

	literal netip.AddrPort
}

// CaddyModule returns the module's information.
func (*Host) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.gatewright_host", New: func() caddy.Module { return new(Host) }}
}

// Provision sets the source up.
func (h *Host) Provision(caddy.Context) error {
	if h.Host == "" || h.Port == 0 {
		return errors.New("host and port are needed")
	}
	if addr, err := netip.ParseAddr(h.Host); err == nil {
		h.literal = netip.AddrPortFrom(addr.Unmap(), h.Port)
	}
	if h.Resolver != "" {
		if _, err := netip.ParseAddrPort(h.Resolver); err != nil {
			return fmt.Errorf("resolver: %w", err)
		}
	}
	return nil
}

var errNoGuard = errors.New(`the upstream source "gatewright_host" works only below the handler "gatewright"`)

// GetUpstreams returns the service's addresses that the guard lets through.
func (h *Host) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	q := upstreams.RequestOf(r)
	if q == nil {
		return nil, errNoGuard
	}
	q.Decide()
	var found targets.Field
	found.FindOne(r.Context(), q.Guard, h.origin(q))
	var list []*reverseproxy.Upstream
	for _, candidate := range found.List {
		list = append(list, &reverseproxy.Upstream{Dial: candidate.Dial})
	}
	if q.Err = nil; len(list) == 0 {
		q.Err = fmt.Errorf("%s: %w", h.Host, found.Err())
	}
	return list, nil
}

// Explain names the service, which is not asked: it might count the question. Without an address of it the request fails.
func (h *Host) Explain(r *http.Request, _ *rehearsal.Record, step *rehearsal.Step) error {
	step.Asks = net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port)))
	list, err := h.GetUpstreams(r)
	if err == nil && len(list) == 0 {
		err = caddyhttp.Error(http.StatusServiceUnavailable, upstreams.RequestOf(r).Err)
	}
	return err
}

func (h *Host) origin(q *upstreams.Request) targets.Origin {
	if h.literal.IsValid() {
		return targets.Literal(h.literal)
	}
	if q.Resolver != nil {
		if instance, is := q.Resolver.Instance(h.Resolver, h.Host); is {
			return targets.OriginOf(q.Resolver, instance, h.Port)
		}
	}
	return targets.OriginOf(resolver.External(h.Resolver), h.Host, h.Port)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Host)(nil)
	_ reverseproxy.UpstreamSource = (*Host)(nil)
	_ rehearsal.Explainer         = (*Host)(nil)
)
