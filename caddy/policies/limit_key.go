package policies

import (
	"encoding/hex"
	"hash/fnv"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/internal/clients"
)

func init() { caddy.RegisterModule(LimitKey{}) }

// LimitKey is the module `http.handlers.gatewright_limit_key`: it sets the variable `gatewright.limit_key` to what a
// rate limit counts by: the rule, and the client in it. IPv6 clients count by their /64, since one machine has all
// addresses of it.
type LimitKey struct {
	// Header makes the values of this request header count by themselves instead of clients. They are hashed, so
	// that a long one takes no more memory than a short one.
	Header string `json:"header,omitempty"`
	// Rule makes all requests of the rule count together.
	Rule bool `json:"rule,omitempty"`
}

// CaddyModule returns the module's information.
func (LimitKey) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_limit_key", New: func() caddy.Module { return new(LimitKey) }}
}

// Provision brings the header's name into the form that requests have it in.
func (k *LimitKey) Provision(caddy.Context) error {
	k.Header = http.CanonicalHeaderKey(k.Header)
	return nil
}

// ServeHTTP sets the variable.
func (k *LimitKey) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	key := ruleOf(r)
	switch {
	case k.Rule:
	case k.Header != "":
		key += "|" + digest(r.Header[k.Header])
	default:
		key += "|" + clients.Key(clientIP(r))
	}
	caddyhttp.SetVar(r.Context(), "gatewright.limit_key", key)
	return next.ServeHTTP(w, r)
}

func digest(values []string) string {
	hash := fnv.New128a()
	for _, value := range values {
		_, _ = hash.Write([]byte(value))
		_, _ = hash.Write([]byte{0})
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// ruleOf is the id of the row that the dispatcher found.
func ruleOf(r *http.Request) string {
	rule, _ := caddyhttp.GetVar(r.Context(), "gatewright.rule").(string)
	return rule
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*LimitKey)(nil)
	_ caddyhttp.MiddlewareHandler = (*LimitKey)(nil)
)
