package upstreams

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/targets"
)

// varKey is the variable of a request that holds its *Request.
const varKey = "gatewright.request"

// Request is what the dispatcher tells the upstream source about a request, and what that tells back.
// It belongs to the goroutine that serves the request.
type Request struct {
	// Its Row has the targets, and its Host the captures.
	exchange.Exchange

	Resolver *resolver.Resolver
	Guard    *resolver.Guard

	// Err says why there was no upstream the last time, in words for the log. nil when there was one.
	Err error
	// Refused is true when the guard refused all addresses that there were.
	Refused bool

	// spared tells that the request itself has failed.
	spared bool

	request *http.Request

	// picked is the address of the last attempt, "" before the first, and origin where it came from.
	picked string
	origin targets.Origin
	failed []string
	// balanced is what balancing knows of the request; nil when its row needs none.
	balanced *balanced
}

// Attach puts the request's state where the source finds it. The request must be Caddy's.
func (q *Request) Attach(r *http.Request) {
	q.request = r
	caddyhttp.SetVar(r.Context(), varKey, q)
}

// Asking is on whose behalf names are asked for and addresses waited for.
func (q *Request) Asking() (rule, client string) {
	client, _ = caddyhttp.GetVar(q.request.Context(), caddyhttp.ClientIPVarKey).(string)
	return q.Row.ID(), client
}

// RequestOf is what Attach has put there; nil where the dispatcher has not been.
func RequestOf(r *http.Request) *Request {
	q, _ := caddyhttp.GetVar(r.Context(), varKey).(*Request)
	return q
}

// Spare tells that the request has failed for the client's sake: no address is blamed for it, or tried instead.
func Spare(r *http.Request) {
	if q := RequestOf(r); q != nil {
		q.spared = true
	}
}
