// Package upstreams is Gatewright's source of upstreams for Caddy's reverse proxy: it turns the targets of the
// row that the dispatcher found into addresses, by DNS, at request time.
package upstreams

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/targets"
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
	Passive *targets.Passive `json:"passive,omitempty"`

	// balances tells whether rows with a single plain target need more than its address.
	balances bool
	logger   *zap.Logger
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
	switch s.Policy {
	case "", "round_robin", "least_conn", "random", "ip_hash", "uri_hash", "cookie", "first":
	case "header":
		if s.Header == "" {
			return errors.New(`policy "header" needs header`)
		}
	default:
		return fmt.Errorf("policy %q is not known", s.Policy)
	}
	s.Header = textproto.CanonicalMIMEHeaderKey(s.Header)
	if s.Cookie == "" {
		s.Cookie = "gatewright"
	}
	if s.TryDuration < 0 || s.Retries != nil && *s.Retries < 0 {
		return errors.New("try_duration or retries is negative")
	}
	if s.Passive != nil {
		if err := s.Passive.Provision(); err != nil {
			return err
		}
	}
	s.balances = s.Health || s.Passive != nil || s.TryDuration > 0 || s.Retries != nil
	return nil
}

var errNotDispatched = errors.New(`the upstream source "gatewright" works only below the handler "gatewright"`)

var warnings sample.Limiter

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
	q.Proceed()
	began := time.Now()
	span := q.Trace.Select()
	list, err := s.choose(q, r)
	q.Selection += time.Since(began)
	if list != nil {
		q.Try(q.origin.Name(), q.picked)
		span.Found(q.origin.Name(), q.picked)
	} else {
		span.Failed(q.Err)
	}
	return list, err
}

// choose chooses an address for an attempt.
func (s *Source) choose(q *Request, r *http.Request) ([]*reverseproxy.Upstream, error) {
	if s.balances || len(q.failed) > 0 || !q.Row.Plain() || !targets.AllActive() {
		return s.balance(q, r)
	}
	// What most requests need: the only address of an instance.
	instance, port := q.Row.Target(0, q.Host)
	q.origin = targets.OriginOf(q.Resolver, instance, port)
	addrs, dials, err := q.origin.Lookup(r.Context(), q, false)
	if q.Err, q.Refused = err, false; err != nil {
		return nil, nil
	}
	if len(addrs) != 1 || q.Guard.Refuses(addrs[0], port) != "" {
		return s.balance(q, r)
	}
	q.picked = dials[0]
	return upstreamOf(q.picked), nil
}

// upstreamOf is a list of one in one allocation. The proxy writes into upstreams, so that requests cannot share them.
func upstreamOf(dial string) []*reverseproxy.Upstream {
	one := &struct {
		upstream reverseproxy.Upstream
		list     [1]*reverseproxy.Upstream
	}{upstream: reverseproxy.Upstream{Dial: dial}}
	one.list[0] = &one.upstream
	return one.list[:]
}

// ResetCache asks again for the name whose address has failed in this request, and waits for the answer.
// It does nothing when there was no upstream: that answer is too young to ask again.
func (s *Source) ResetCache(r *http.Request) error {
	q := RequestOf(r)
	if q == nil {
		return errNotDispatched
	}
	if q.spared || q.picked == "" {
		return nil
	}
	q.blame()
	if !slices.Contains(q.failed, q.picked) {
		q.failed = append(q.failed, q.picked)
	}
	q.origin.Again(r.Context(), q)
	return nil
}

func (s *Source) warnRefused(q *Request, refused targets.Refusal) {
	suppressed, ok := warnings.Allow(q.Row.ID())
	if !ok {
		return
	}
	s.logger.Warn("address of an instance refused",
		zap.String("rule", q.Row.ID()),
		zap.String("ingress", q.Row.Ingress()),
		zap.String("instance", refused.Target),
		zap.String("address", refused.Dial),
		zap.String("reason", refused.Reason),
		zap.Uint32("suppressed", suppressed))
}

// Interface guards.
var (
	_ caddy.Provisioner                  = (*Source)(nil)
	_ reverseproxy.UpstreamSource        = (*Source)(nil)
	_ reverseproxy.CachingUpstreamSource = (*Source)(nil)
	_ rehearsal.Explainer                = (*Source)(nil)
)
