package policies

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(Rewrite{}) }

// Rewrite is the module `http.handlers.gatewright_rewrite`: it changes the request's path and leaves the query.
//
// Prefixes are compared as the dispatcher compares paths: decoded, cleaned, with case and on segment borders. Caddy's
// `rewrite` compares without case and cuts `/api` off `/apiv1`. The part that stays keeps its escapes.
//
// The instance finds a prefix that was taken off in X-Forwarded-Prefix, as with Traefik.
type Rewrite struct {
	// Path replaces the whole path; decoded. Excludes Prefix and With.
	Path string `json:"path,omitempty"`
	// Prefix is what is taken off, decoded, without a final slash; "" and "/" fit every path. Paths without it
	// stay as they are.
	Prefix string `json:"prefix,omitempty"`
	// With takes the place of Prefix.
	With string `json:"with,omitempty"`
}

// CaddyModule returns the module's information.
func (Rewrite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_rewrite", New: func() caddy.Module { return new(Rewrite) }}
}

// Provision checks the paths.
func (f *Rewrite) Provision(caddy.Context) error {
	for _, path := range []string{f.Path, f.Prefix, f.With} {
		if path != "" && path[0] != '/' {
			return fmt.Errorf("path %q does not begin with /", path)
		}
	}
	if f.Path != "" && f.Prefix+f.With != "" {
		return fmt.Errorf("path excludes prefix and with")
	}
	f.Prefix = strings.TrimSuffix(f.Prefix, "/")
	f.With = strings.TrimSuffix(f.With, "/")
	return nil
}

// ServeHTTP rewrites the path.
func (f *Rewrite) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if f.Path != "" {
		r.URL.Path, r.URL.RawPath = f.Path, ""
	} else {
		stripped := f.replacePrefix(r.URL)
		if stripped && f.With == "" && f.Prefix != "" {
			r.Header["X-Forwarded-Prefix"] = []string{f.Prefix}
		}
	}
	return next.ServeHTTP(w, r)
}

func (f *Rewrite) replacePrefix(u *url.URL) bool {
	clean := table.CleanPath(u.Path)
	rest, ok := strings.CutPrefix(clean, f.Prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return false
	}
	path := f.With + rest
	if path == "" {
		path = "/"
	}
	raw := ""
	if u.RawPath != "" {
		raw = f.escapedRest(u.RawPath, rest)
	}
	u.Path, u.RawPath = path, raw
	return true
}

// escapedRest is the new path with the escapes of the request (such as %2F) in what stays, or "" when these make no
// difference, or mean something else than the path that was routed: then only the decoded path is safe.
func (f *Rewrite) escapedRest(raw, rest string) string {
	clean := table.CleanPath(raw)
	for range strings.Count(f.Prefix, "/") {
		slash := strings.IndexByte(clean[1:], '/')
		if slash < 0 {
			clean = ""
			break
		}
		clean = clean[1+slash:]
	}
	if decoded, err := url.PathUnescape(clean); err != nil || decoded != rest {
		return ""
	}
	with := (&url.URL{Path: f.With}).EscapedPath()
	return with + clean
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Rewrite)(nil)
	_ caddyhttp.MiddlewareHandler = (*Rewrite)(nil)
)
