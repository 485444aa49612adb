// Package rehearsal has a request go its way through the running handlers without an effect: nothing is counted, logged,
// dialled or woken. What it met on the way is recorded, for `POST /gatewright/explain`.
//
// A rehearsed request carries its Record in the context. The dispatcher and the policy sets treat it as any other, and ask
// Of only where they would have an effect.
package rehearsal

import (
	"cmp"
	"context"
	"net/http"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/table"
)

type key struct{}

// Record is what a rehearsed request met. It belongs to the goroutine that rehearses.
type Record struct {
	// Connects has Caddy connect to the addresses that could take the request.
	Connects bool

	// Row is the one that takes the request; nil when none does.
	Row *table.Row
	// Host is canonical, for captures.
	Host string
	// Steps are what the handlers of the policy set made of the request, in their order, until one refused.
	Steps []*Step
	// Upstream is what is known of the row's addresses; nil where the request did not come so far.
	Upstream *Upstream
	// Sent is the request as the instance would get it; nil as above.
	Sent *Sent
	// Err is why the request is not answered by an instance; nil when it is. Cause is a word for it: a Miss, Policy or
	// Failure of package exchange.
	Err   error
	Cause string

	// came are the headers as the request came.
	came http.Header
}

// With returns a request that is rehearsed.
func (rec *Record) With(r *http.Request) *http.Request {
	rec.came = r.Header.Clone()
	return r.WithContext(context.WithValue(r.Context(), key{}, rec))
}

// Of is the record of a rehearsed request; nil for one that a client sent.
func Of(r *http.Request) *Record {
	rec, _ := r.Context().Value(key{}).(*Record)
	return rec
}

// Found notes the row that takes the request. It does nothing for a request that a client sent.
func (rec *Record) Found(row *table.Row, host string) {
	if rec != nil {
		rec.Row, rec.Host = row, host
	}
}

// Ended takes over the word for what became of the request. It does nothing for a request that a client sent.
func (rec *Record) Ended(e *exchange.Exchange) {
	if rec != nil {
		rec.Cause = cmp.Or(string(e.Miss), string(e.Policy), string(e.Failure))
	}
}

// Verdicts of a Step.
const (
	Passed  = "passed"
	Refused = "refused"
	// NotAsked: asking would have an effect beyond the request.
	NotAsked = "not_asked"
)

// Step is what one handler of a policy set makes of a request.
type Step struct {
	// Handler is the handler's name in Caddy's JSON.
	Handler string `json:"handler"`
	Verdict string `json:"verdict"`
	// Status and Reason are those of a refusal.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Network is the one that has the client's address, where networks decide.
	Network string `json:"network,omitempty"`
	// Limit is how much of a rate limit is used.
	Limit *Limit `json:"limit,omitempty"`
	// MaxBytes is how large a body may be.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Asks is the service that would be asked.
	Asks string `json:"asks,omitempty"`
}

// Limit is how much of a rate limit one who counts by it has used.
type Limit struct {
	Used   int     `json:"used"`
	Events int     `json:"events"`
	Window float64 `json:"window_seconds"`
	// Exempt: the limit does not count the client.
	Exempt bool `json:"exempt,omitempty"`
}

// Sent is a request as an instance would get it. Of headers there are names alone: values may be secrets.
type Sent struct {
	Method string `json:"method"`
	URI    string `json:"uri"`
	Host   string `json:"host"`
	// Set are the headers that are added or changed, Removed those that are taken out.
	Set     []string `json:"headers_set,omitempty"`
	Removed []string `json:"headers_removed,omitempty"`
}

// Upstream is what is known of the addresses of a row's targets.
type Upstream struct {
	// Policy is how one of several is chosen.
	Policy    string     `json:"policy"`
	Addresses []*Address `json:"addresses"`
	// More are left out of Addresses.
	More int `json:"more,omitempty"`
	// Error says why none takes the request.
	Error string `json:"error,omitempty"`
	// WaitMS is how long a request waits for an address at most; Wakes are the instances that it would have started.
	WaitMS int64    `json:"wait_ms,omitempty"`
	Wakes  []string `json:"wakes,omitempty"`
}

// States of an Address.
const (
	Ready     = "ready"
	Drained   = "drained"
	Paused    = "paused"
	Unhealthy = "unhealthy"
	Unchecked = "unchecked"
	Failing   = "failing"
	Forbidden = "forbidden"
	NoAddress = "no_address"
	NoAnswer  = "no_answer"
	Unknown   = "unknown"
	NoWeight  = "no_weight"
)

// Address is one address of a target, or what is in the way of having one.
type Address struct {
	// Target is the number of the target in its rule.
	Target int `json:"target"`
	// Name is that of the instance, service or host that was asked for.
	Name string `json:"name,omitempty"`
	// Dial is `ip:port`; "" where there is none.
	Dial   string `json:"address,omitempty"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Chosen: it takes the request. With several and none that is certain, the next in turn does.
	Chosen bool `json:"chosen,omitempty"`
	// Connection is what connecting found: "open", or the word for why it failed.
	Connection string `json:"connection,omitempty"`
}
