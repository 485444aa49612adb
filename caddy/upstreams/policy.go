package upstreams

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/targets"
)

// pick returns the index of an address, of which there is at least one, and for the policy "cookie" the token that the
// client is to be given; "" when it has it.
func (s *Source) pick(f *targets.Field, pool *targets.Pool, r *http.Request, row string) (index int, token string) {
	if s.Policy != "cookie" {
		return f.Choose(s.Policy, s.key(r), pool), ""
	}
	if index = s.kept(f, r, row); index >= 0 {
		return index, ""
	}
	index = f.Choose(s.Policy, "", pool)
	return index, tokenOf(row, f.Identity(index))
}

// kept is the index of the address that the request's cookie stands for; -1 when there is none.
func (s *Source) kept(f *targets.Field, r *http.Request, row string) int {
	if cookie, err := r.Cookie(s.Cookie); err == nil && cookie.Value != "" {
		for i := range f.List {
			if tokenOf(row, f.Identity(i)) == cookie.Value {
				return i
			}
		}
	}
	return -1
}

// key is what decides where a request goes; "" when nothing of it does.
func (s *Source) key(r *http.Request) (key string) {
	switch s.Policy {
	case "ip_hash":
		key, _ = caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	case "uri_hash":
		key = r.RequestURI
	case "header":
		if s.Header == "Host" {
			return r.Host
		}
		if values := r.Header[s.Header]; len(values) > 0 {
			key = values[0]
		}
	}
	return key
}

// tokenOf stands for an address in a cookie. The row's id, which clients never see, keeps them from finding the address
// by trying all there are; it is the same after a restart.
func tokenOf(row, identity string) string {
	sum := sha256.Sum256([]byte(row + "\x00" + identity))
	return hex.EncodeToString(sum[:10])
}
