package policies

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/upstreams"
)

func init() {
	caddy.RegisterModule(Refuse{})
	caddy.RegisterModule(Count{})
}

// Refusal is the error of a policy that turns a request away, with a text for the client.
type Refusal struct {
	// Policy is what turns it away.
	Policy exchange.Policy
	// Message is shown to the client as it is; "" leaves the choice of words to the dispatcher.
	Message string
	// Reason is what the log says.
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// Refuse is the module `http.handlers.gatewright_refuse`: it ends the request with an error, for which the dispatcher
// writes the page, counts and logs. Unlike Caddy's `error` it takes its texts literally.
type Refuse struct {
	// Status is 400 to 599.
	Status int `json:"status"`
	// Message is the text for the client.
	Message string `json:"message,omitempty"`
	// Reason is the text for the log.
	Reason string `json:"reason,omitempty"`
	// Policy is the name of the policy that refuses, for metrics and logs. Default: "other".
	Policy string `json:"policy,omitempty"`
	// RetryAfter in seconds; 0 sends none.
	RetryAfter int `json:"retry_after,omitempty"`

	refusal Refusal
}

// CaddyModule returns the module's information.
func (Refuse) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_refuse", New: func() caddy.Module { return new(Refuse) }}
}

// Provision checks the status.
func (f *Refuse) Provision(caddy.Context) error {
	if f.Status < 400 || f.Status > 599 {
		return fmt.Errorf("status %d is not between 400 and 599", f.Status)
	}
	f.refusal = Refusal{Policy: exchange.Known(f.Policy), Message: f.Message, Reason: f.Reason}
	return nil
}

// ServeHTTP refuses.
func (f *Refuse) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	return caddyhttp.HandlerError{StatusCode: f.Status, Err: &f.refusal}
}

var counted sample.Limiter

// Count is the module `http.handlers.gatewright_count`: it records and logs, in samples, a refusal whose answer comes
// from another service, such as that of forward auth.
type Count struct {
	logger *zap.Logger
}

// CaddyModule returns the module's information.
func (Count) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_count", New: func() caddy.Module { return new(Count) }}
}

// Provision sets the handler up.
func (c *Count) Provision(ctx caddy.Context) error {
	c.logger = ctx.Logger()
	return nil
}

// ServeHTTP records the refusal, and lets the next handler answer.
func (c *Count) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rule := ruleOf(r)
	status := http.StatusUnauthorized
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if told, ok := repl.GetString("http.reverse_proxy.status_code"); ok {
		if n, err := strconv.Atoi(told); err == nil {
			status = n
		}
	}
	if q := upstreams.RequestOf(r); q != nil {
		q.Refuse(exchange.ForwardAuth, "forward auth answered with "+strconv.Itoa(status))
	}
	if suppressed, ok := counted.Allow(rule); ok {
		c.logger.Info("request refused by forward auth", zap.String("rule", rule), zap.Int("status", status),
			zap.String("request_id", r.Header.Get("X-Request-Id")), zap.Uint32("suppressed", suppressed))
	}
	return next.ServeHTTP(w, r)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Refuse)(nil)
	_ caddyhttp.MiddlewareHandler = (*Refuse)(nil)
	_ caddy.Provisioner           = (*Count)(nil)
	_ caddyhttp.MiddlewareHandler = (*Count)(nil)
)
