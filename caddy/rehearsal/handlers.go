package rehearsal

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	caddyrl "github.com/mholt/caddy-ratelimit"
)

// Explainer is a handler, or a source of upstreams, whose work has an effect beyond the request. It tells instead what it
// would do; an error ends the request as that of the work itself would.
type Explainer interface {
	Explain(r *http.Request, rec *Record, step *Step) error
}

// harmless are the handlers that work on the request and its answer alone. They are run as they are.
var harmless = map[caddy.ModuleID]bool{
	"http.handlers.authentication":         true,
	"http.handlers.encode":                 true,
	"http.handlers.gatewright_forwarded":   true,
	"http.handlers.gatewright_header_auth": true,
	"http.handlers.gatewright_limit_key":   true,
	"http.handlers.gatewright_refuse":      true,
	"http.handlers.gatewright_rewrite":     true,
	"http.handlers.headers":                true,
	"http.handlers.request_body":           true,
	"http.handlers.vars":                   true,
}

func isHarmless(handler caddyhttp.MiddlewareHandler) bool {
	if routes, ok := handler.(*caddyhttp.Subroute); ok {
		return !slices.ContainsFunc(routes.Routes, func(route caddyhttp.Route) bool {
			return slices.ContainsFunc(route.Handlers, func(inner caddyhttp.MiddlewareHandler) bool { return !isHarmless(inner) })
		})
	}
	return harmless[moduleOf(handler).ID]
}

func moduleOf(handler caddyhttp.MiddlewareHandler) caddy.ModuleInfo {
	if module, ok := handler.(caddy.Module); ok {
		return module.CaddyModule()
	}
	return caddy.ModuleInfo{}
}

// Try has a handler of a policy set handle a request, or tells what it would do where that has an effect beyond the
// request. What comes behind the handler is next.
func (rec *Record) Try(handler caddyhttp.MiddlewareHandler, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	step := &Step{Handler: moduleOf(handler).ID.Name(), Verdict: Passed}
	rec.Steps = append(rec.Steps, step)
	switch handler := handler.(type) {
	case Explainer:
		if err := handler.Explain(r, rec, step); err != nil {
			return step.refuse(err)
		}
		return next.ServeHTTP(w, r)
	case *caddyrl.Handler:
		if err := limit(handler, r, step); err != nil {
			return step.refuse(err)
		}
		return next.ServeHTTP(w, r)
	case *reverseproxy.Handler:
		return rec.proxy(handler, w, r, next, step)
	case *requestbody.RequestBody:
		step.MaxBytes = handler.MaxSize
	case *caddyhttp.Subroute:
		step.Network = networkOf(handler, r)
	}
	if !isHarmless(handler) {
		step.Verdict = NotAsked
		return next.ServeHTTP(w, r)
	}
	passed := false
	err := handler.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		passed = true
		return next.ServeHTTP(w, r)
	}))
	if !passed {
		return step.refuse(err)
	}
	return err
}

// refuse notes that the request goes no further.
func (s *Step) refuse(err error) error {
	s.Verdict = Refused
	if err != nil {
		s.Reason = err.Error()
	}
	var refusal caddyhttp.HandlerError
	if errors.As(err, &refusal) {
		s.Status = refusal.StatusCode
		if refusal.Err != nil {
			s.Reason = refusal.Err.Error()
		}
	}
	return err
}

// proxy ends a request at an instance or another server, or passes by the service that forward auth would ask.
func (rec *Record) proxy(
	proxy *reverseproxy.Handler, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, step *Step,
) error {
	source, ok := proxy.DynamicUpstreams.(Explainer)
	if !ok && len(proxy.Upstreams) > 0 {
		rec.Sent = rec.sent(proxy, r)
		return nil
	}
	if !ok {
		step.Verdict = NotAsked
		return next.ServeHTTP(w, r)
	}
	if err := source.Explain(r, rec, step); err != nil {
		return step.refuse(err)
	}
	if step.Asks != "" {
		step.Verdict = NotAsked
		return next.ServeHTTP(w, r)
	}
	rec.Sent = rec.sent(proxy, r)
	return nil
}

// sent is a request as a proxy would send it. What every proxy adds, X-Forwarded-For and its like, is left out.
func (rec *Record) sent(proxy *reverseproxy.Handler, r *http.Request) *Sent {
	r = r.Clone(r.Context())
	if proxy.Headers != nil && proxy.Headers.Request != nil {
		proxy.Headers.Request.ApplyToRequest(r)
	}
	sent := &Sent{Method: r.Method, URI: r.URL.RequestURI(), Host: r.Host}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if !slices.Equal(rec.came[name], r.Header[name]) {
			sent.Set = append(sent.Set, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rec.came)) {
		if _, stays := r.Header[name]; !stays {
			sent.Removed = append(sent.Removed, name)
		}
	}
	return sent
}
