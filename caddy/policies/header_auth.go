package policies

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/upstreams"
)

func init() { caddy.RegisterModule(HeaderAuth{}) }

// HeaderAuth is the module `http.handlers.gatewright_header_auth`: it refuses requests without the header that their
// row demands, and takes the header away from the others, since the instance need not see the secret. Which header that
// is and the SHA-256 of its value are the row's, so that rules with other secrets share a policy set.
type HeaderAuth struct{}

// CaddyModule returns the module's information.
func (HeaderAuth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_header_auth", New: func() caddy.Module { return new(HeaderAuth) }}
}

var errNoHeader = caddyhttp.HandlerError{StatusCode: http.StatusForbidden, Err: &Refusal{
	Policy:  exchange.RequestHeaderAuth,
	Message: "The request lacks the header that this ingress demands.",
	Reason:  "the header that the rule demands is missing or wrong",
}}

var errNoSecret = caddyhttp.Error(http.StatusInternalServerError, errors.New("the policy set demands a header that the row does not name"))

// ServeHTTP checks the header. Only its hash is known here, and hashes are compared in constant time.
func (HeaderAuth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	q := upstreams.RequestOf(r)
	if q == nil {
		return errNoSecret
	}
	header, sum, demanded := q.Row.Auth()
	if !demanded {
		return errNoSecret
	}
	ok := 0
	for _, value := range r.Header[header] {
		got := sha256.Sum256([]byte(value))
		ok |= subtle.ConstantTimeCompare(got[:], sum[:])
	}
	delete(r.Header, header)
	if ok != 1 {
		return errNoHeader
	}
	return next.ServeHTTP(w, r)
}

// ChecksHeader tells the app that a policy set with this handler lets no secret pass unchecked.
func (HeaderAuth) ChecksHeader() {}

// Interface guards.
var _ caddyhttp.MiddlewareHandler = HeaderAuth{}
