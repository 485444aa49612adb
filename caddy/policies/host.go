package policies

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"gatewright.dev/caddy/upstreams"
)

func init() { caddy.RegisterModule(new(Host)) }

const (
	// fresh is how long an answer is used without asking again. The system's resolver does not tell TTLs.
	fresh = 5 * time.Second
	// lookupTimeout bounds how long a request waits for an address.
	lookupTimeout = 5 * time.Second
)

// Host is the module `http.reverse_proxy.upstreams.gatewright_host`: one service by name or address, dialed only where
// the app's guard lets it. Caddy's own static upstreams would dial any address that a name resolves to.
type Host struct {
	// Host is an IP address or a DNS name.
	Host string `json:"host"`
	Port uint16 `json:"port"`
	// Resolver is the `ip:port` of the DNS server to ask. Default: the system's.
	Resolver string `json:"resolver,omitempty"`

	literal netip.Addr
	dns     *net.Resolver

	mutex   sync.Mutex
	addrs   []netip.Addr
	asked   time.Time
	pending chan struct{} // closed when the question that is under way ends
	err     error
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
	h.literal, _ = netip.ParseAddr(h.Host)
	h.dns = net.DefaultResolver
	if h.Resolver != "" {
		if _, err := netip.ParseAddrPort(h.Resolver); err != nil {
			return fmt.Errorf("resolver: %w", err)
		}
		h.dns = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, h.Resolver)
		}}
	}
	return nil
}

var errNoGuard = errors.New(`the upstream source "gatewright_host" works only below the handler "gatewright"`)

// GetUpstreams returns the service's addresses that the guard lets through.
func (h *Host) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	q, _ := caddyhttp.GetVar(r.Context(), "gatewright.request").(*upstreams.Request)
	if q == nil {
		return nil, errNoGuard
	}
	addrs, err := h.addresses(r.Context())
	if err != nil {
		q.Err = fmt.Errorf("looking up %s: %w", h.Host, err)
		return nil, nil
	}
	var list []*reverseproxy.Upstream
	for _, addr := range addrs {
		if why := q.Guard.Refuses(addr, h.Port); why != "" {
			q.Err = fmt.Errorf("%s:%d refused: %s", addr, h.Port, why)
			continue
		}
		list = append(list, &reverseproxy.Upstream{Dial: net.JoinHostPort(addr.String(), strconv.Itoa(int(h.Port)))})
	}
	if len(list) > 0 {
		q.Err = nil
	}
	return list, nil
}

// addresses answers from memory while that is fresh; else one question is asked for all who wait. When it fails the
// last answer goes on to be used.
func (h *Host) addresses(ctx context.Context) ([]netip.Addr, error) {
	if h.literal.IsValid() {
		return []netip.Addr{h.literal.Unmap()}, nil
	}
	h.mutex.Lock()
	if h.addrs != nil && time.Since(h.asked) < fresh {
		defer h.mutex.Unlock()
		return h.addrs, nil
	}
	if h.pending == nil {
		h.pending = make(chan struct{})
		go h.ask(h.pending)
	}
	pending, known := h.pending, h.addrs
	h.mutex.Unlock()
	if known != nil {
		return known, nil
	}
	select {
	case <-pending:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.addrs == nil {
		return nil, h.err
	}
	return h.addrs, nil
}

func (h *Host) ask(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := h.dns.LookupNetIP(ctx, "ip", h.Host)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.pending, h.err, h.asked = nil, err, time.Now()
	if err == nil && len(addrs) > 0 {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		h.addrs = addrs
	} else if err == nil {
		h.err = errors.New("no address")
	}
	close(done)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Host)(nil)
	_ reverseproxy.UpstreamSource = (*Host)(nil)
)
