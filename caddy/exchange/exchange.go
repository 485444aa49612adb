package exchange

import (
	"net/http"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/tracing"
)

// Exchange is a request and its answer. It belongs to the goroutine that serves the request, but for what is atomic.
type Exchange struct {
	// Row takes the request. Where none does, Miss tells why.
	Row  *table.Row
	Miss Miss
	// Host is the canonical host; "" of a request without a path.
	Host string

	// RequestID names the request in the headers of request and answer, in log lines and spans.
	RequestID string
	// Trace is the request's part of a trace; nil where it has none.
	Trace *tracing.Request

	// Start is when the dispatcher got the request, Duration the time from there to the end of the answer, of a tunnel to
	// its end.
	Start    time.Time
	Duration time.Duration
	// Switched is the time from Start to the answer that made the connection a tunnel (101); 0 of others.
	Switched time.Duration
	// Status is what the client was sent; 499 where it left before that, 0 where the connection was closed without.
	Status int
	// Received are the bytes of the request's body, and Sent those of the answer's, as they were on the side of the client:
	// without heads, and without what HTTP adds. Of a tunnel they are all bytes.
	Received atomic.Int64
	Sent     atomic.Int64

	// Policy turned the request away, for a reason in words for the log; "" where none did.
	Policy Policy
	Reason string

	// Selection is the time in which addresses were chosen, that of waiting for one included, in all attempts together.
	Selection time.Duration
	// Decision is the time that forward auth took; 0 without it.
	Decision time.Duration

	// Attempts are those to have an address answer, the last one at the end; none where there was no address.
	Attempts []Attempt
	// Failure is why the request has no whole answer of an instance, where it should; "" where it has one.
	Failure Failure

	// deciding tells that forward auth was asked and has not let the request pass; asked is when it was, while it is waited for.
	deciding bool
	asked    time.Time
	// first is the room of most requests' attempts.
	first [1]Attempt
}

// Attempt is one to have an address answer.
type Attempt struct {
	// Target is the name of the instance, the service or the address that the target names; "" of an IP address.
	Target string
	// Address is ip:port.
	Address string
	// Began is the time from the exchange's Start to the beginning of the attempt; 0 where nothing was sent yet.
	Began time.Duration
	// Connect is the time in which a connection was opened, with TLS where the transport is not our own; 0 for a kept one.
	Connect time.Duration
	// FirstByte is the time from the beginning of sending to the head of the answer; 0 where none came.
	FirstByte time.Duration
	// Status is that of the answer; 0 where none came.
	Status int
	// Failure is why there was no whole answer; "" where there was one.
	Failure Failure
}

// Try begins an attempt.
func (e *Exchange) Try(target, address string) {
	if e.Attempts == nil {
		e.Attempts = e.first[:0]
	}
	e.Attempts = append(e.Attempts, Attempt{Target: target, Address: address})
}

// Last is the attempt under way, or the last one; nil before the first.
func (e *Exchange) Last() *Attempt {
	if len(e.Attempts) == 0 {
		return nil
	}
	return &e.Attempts[len(e.Attempts)-1]
}

// Retries are the attempts after the first.
func (e *Exchange) Retries() int { return max(len(e.Attempts)-1, 0) }

// Refuse tells that a policy has turned the request away.
func (e *Exchange) Refuse(by Policy, reason string) { e.Policy, e.Reason = by, reason }

// Decide begins the question of forward auth. Until Proceed, what goes out is no attempt to have an instance answer.
func (e *Exchange) Decide() {
	if !e.deciding {
		e.deciding, e.asked = true, time.Now()
	}
}

// Deciding tells whether forward auth has not let the request pass yet.
func (e *Exchange) Deciding() bool { return e.deciding }

// Decided tells that forward auth has answered, or failed to.
func (e *Exchange) Decided() {
	if !e.asked.IsZero() {
		e.Decision += time.Since(e.asked)
		e.asked = time.Time{}
	}
}

// Proceed tells that the policies have let the request pass.
func (e *Exchange) Proceed() {
	if e.deciding {
		e.Decided()
		e.deciding = false
	}
}

// Protocol is the version of HTTP, as OpenTelemetry has it: "1.0", "1.1", "2" or "3".
func Protocol(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMajor == 3:
		return "3"
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}
