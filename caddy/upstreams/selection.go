package upstreams

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(Selection{}) }

// Selection is the module `http.reverse_proxy.selection_policies.gatewright`: it takes the one upstream that the
// source has chosen, and sets the cookie that the source's policy "cookie" wants, since only here the response is at
// hand.
type Selection struct{}

// CaddyModule returns the module's information.
func (Selection) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.selection_policies.gatewright",
		New: func() caddy.Module { return new(Selection) },
	}
}

// Select returns the first upstream.
func (Selection) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	if len(pool) == 0 {
		return nil
	}
	if q := RequestOf(r); q != nil && q.balanced != nil && q.balanced.cookie != "" {
		b := q.balanced
		// An attempt before this one may have set it.
		header := w.Header()
		header["Set-Cookie"] = slices.DeleteFunc(header["Set-Cookie"], func(cookie string) bool {
			return strings.HasPrefix(cookie, b.source.Cookie+"=")
		})
		http.SetCookie(w, &http.Cookie{
			Name: b.source.Cookie, Value: b.cookie, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
		})
	}
	return pool[0]
}

// Interface guards.
var _ reverseproxy.Selector = Selection{}
