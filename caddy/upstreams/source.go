// Package upstreams is Gatewright's source of upstreams for Caddy's reverse proxy: it turns the targets of the
// row that the dispatcher found into addresses, by DNS, at request time.
package upstreams

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/sample"
)

func init() { caddy.RegisterModule(Source{}) }

// Source is the module `http.reverse_proxy.upstreams.gatewright`. It works below the handler `gatewright`, whose
// app says which DNS server to ask and which addresses are forbidden:
//
//	{
//		"handler": "reverse_proxy",
//		"dynamic_upstreams": {"source": "gatewright"},
//		"load_balancing": {"retries": 1}
//	}
//
// With `retries` a failed dial makes it ask again, so that an instance that has moved is found within the request.
//
// It chooses among the addresses of the row's targets itself and gives the proxy one. What it remembers of a row
// (turns, requests, failures) belongs to the process, and no reload forgets it.
type Source struct {
	// Policy is how an address is chosen: "round_robin" (default), "least_conn", "random", "ip_hash", "header",
	// "uri_hash", "cookie" or "first". The weights of targets count under each but "first".
	Policy string `json:"policy,omitempty"`

	// Header is the request header whose value decides, for the policy "header". Requests without it go in turn.
	Header string `json:"header,omitempty"`

	// Cookie is the name of the cookie that keeps a client at an address, for the policy "cookie". Default: "gatewright".
	// It takes the selection policy "gatewright" for the proxy to set it.
	Cookie string `json:"cookie,omitempty"`

	// TryDuration is how long a request waits for an address that takes it. Default: not at all.
	TryDuration caddy.Duration `json:"try_duration,omitempty"`

	// Retries bounds the attempts of requests that have not waited for an instance to wake. Default: as many as the
	// proxy makes.
	Retries *int `json:"retries,omitempty"`

	// Health leaves out the addresses that `POST /gatewright/targets` calls unhealthy.
	Health bool `json:"health,omitempty"`

	// Passive leaves out addresses with which requests failed.
	Passive *Passive `json:"passive,omitempty"`

	policy policy
	// balances tells whether rows with a single plain target need more than its address.
	balances bool
	logger   *zap.Logger
}

// Passive tells when an address is left out because of failed requests.
type Passive struct {
	// MaxFails is how many failures within FailDuration it takes. Default: 1.
	MaxFails int `json:"max_fails,omitempty"`

	// FailDuration is how long a failure counts. Default: 30s.
	FailDuration caddy.Duration `json:"fail_duration,omitempty"`
}

// CaddyModule returns the module's information.
func (Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.gatewright",
		New: func() caddy.Module { return new(Source) },
	}
}

// Provision sets the source up.
func (s *Source) Provision(ctx caddy.Context) error { return s.provision(ctx.Logger()) }

func (s *Source) provision(logger *zap.Logger) error {
	s.logger = logger
	policy, ok := policies[s.Policy]
	if !ok {
		return fmt.Errorf("policy %q is not known", s.Policy)
	}
	if policy == byHeader && s.Header == "" {
		return errors.New(`policy "header" needs header`)
	}
	s.policy = policy
	s.Header = textproto.CanonicalMIMEHeaderKey(s.Header)
	if s.Cookie == "" {
		s.Cookie = "gatewright"
	}
	if s.TryDuration < 0 || s.Retries != nil && *s.Retries < 0 {
		return errors.New("try_duration or retries is negative")
	}
	if s.Passive != nil {
		if s.Passive.MaxFails < 0 || s.Passive.FailDuration < 0 {
			return errors.New("passive: max_fails or fail_duration is negative")
		}
		if s.Passive.MaxFails == 0 {
			s.Passive.MaxFails = 1
		}
		if s.Passive.FailDuration == 0 {
			s.Passive.FailDuration = caddy.Duration(30 * time.Second)
		}
	}
	s.balances = s.Health || s.Passive != nil || s.TryDuration > 0 || s.Retries != nil
	return nil
}

var (
	errNotDispatched = errors.New(`the upstream source "gatewright" works only below the handler "gatewright"`)
	errNoTargets     = errors.New("the row has no targets")
	errRefused       = errors.New("the guard refused every address")
	errDrained       = errors.New("every target is drained")
	errPaused        = errors.New("the target is paused")
	errUnhealthy     = errors.New("every address fails its health check")
	errEjected       = errors.New("every address has failed of late")
	errTooMany       = errors.New("too many requests wait for a target")
)

var warnings sample.Limiter

// single is an upstream and the list of it in one allocation, since most requests have exactly one.
// The proxy writes into upstreams, so that requests cannot share them.
type single struct {
	upstream reverseproxy.Upstream
	list     [1]*reverseproxy.Upstream
}

// GetUpstreams returns the addresses of the request's targets. None is no error, since the proxy logs each error
// and answers 503 either way; Request.Err tells why.
func (s *Source) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	q := RequestOf(r)
	if q == nil {
		return nil, errNotDispatched
	}
	if q.spared {
		return nil, nil
	}
	if s.balances || !q.Row.Plain() || states.modes.Load() != nil {
		return s.balance(q, r)
	}
	q.used, q.Err, q.Refused = q.used[:0], nil, false
	var list []*reverseproxy.Upstream
	for i := range q.Row.Targets() {
		instance, port := q.Row.Target(i, q.Host)
		item := q.Resolver.Lookup(r.Context(), instance, q)
		if err := item.Err(); err != nil {
			q.Err = err
			continue
		}
		q.used = append(q.used, use{item, instance, port})
		addrs := item.Addrs()
		for j, text := range item.Dials(port) {
			if why := q.Guard.Refuses(addrs[j], port); why != "" {
				q.Refused = true
				s.warnRefused(q, instance, text, why)
				continue
			}
			if q.hasFailed(text) {
				continue
			}
			list = appendUpstream(list, text)
		}
	}
	if len(list) == 0 && len(q.failed) > 0 {
		// Nothing but what has failed: better that than nothing, it may have been a passing failure.
		list = q.tried()
	}
	if len(list) > 0 {
		q.Err, q.Refused = nil, false
		return list, nil
	}
	switch {
	case q.Refused:
		q.Err = errRefused
	case q.Err == nil:
		q.Err = errNoTargets
	}
	return nil, nil
}

func appendUpstream(list []*reverseproxy.Upstream, dial string) []*reverseproxy.Upstream {
	if list == nil {
		one := &single{}
		one.upstream.Dial = dial
		one.list[0] = &one.upstream
		return one.list[:]
	}
	return append(list, &reverseproxy.Upstream{Dial: dial})
}

// tried are the allowed addresses, those that failed included.
func (q *Request) tried() (list []*reverseproxy.Upstream) {
	for _, u := range q.used {
		addrs := u.item.Addrs()
		for j, text := range u.item.Dials(u.port) {
			if q.Guard.Refuses(addrs[j], u.port) == "" {
				list = appendUpstream(list, text)
			}
		}
	}
	return list
}

// ResetCache asks again for the names whose address has failed in this request, and waits for the answers.
// It does nothing when there was no upstream: that answer is too young to ask again.
func (s *Source) ResetCache(r *http.Request) error {
	q := RequestOf(r)
	if q == nil {
		return errNotDispatched
	}
	if q.spared {
		return nil
	}
	if q.balanced != nil {
		q.balanced.reset(q, r)
		return nil
	}
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	failed, _ := repl.GetString("http.reverse_proxy.upstream.hostport")
	if failed != "" {
		q.failed = append(q.failed, failed)
	}
	for _, u := range q.used {
		for _, text := range u.item.Dials(u.port) {
			if text == failed {
				q.Resolver.Again(r.Context(), u.instance, u.item, q)
				break
			}
		}
	}
	return nil
}

func (s *Source) warnRefused(q *Request, instance, dial, why string) {
	suppressed, ok := warnings.Allow(q.Row.ID())
	if !ok {
		return
	}
	s.logger.Warn("address of an instance refused",
		zap.String("rule", q.Row.ID()),
		zap.String("ingress", q.Row.Ingress()),
		zap.String("instance", instance),
		zap.String("address", dial),
		zap.String("reason", why),
		zap.Uint32("suppressed", suppressed))
}

// Interface guards.
var (
	_ caddy.Provisioner                  = (*Source)(nil)
	_ reverseproxy.UpstreamSource        = (*Source)(nil)
	_ reverseproxy.CachingUpstreamSource = (*Source)(nil)
)
