package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"gatewright.dev/caddy/exchange"
)

// counts are what is counted of an ingress. They only grow.
type counts struct {
	requests  tally[answered]
	errors    tally[exchange.Failure]
	refusals  tally[exchange.Policy]
	ejections tally[Ejection]
	// handshakes are by whether they came to their end.
	handshakes tally[Outcome]

	received, sent, retries uint64

	times
}

// times are the histograms of an ingress, which make most of its series.
type times struct {
	duration, firstByte durations
	// decision is nil where nobody asks.
	decision *durations
}

// answered is what answered requests are told apart by.
type answered struct {
	// status has one digit where it stands for the hundred that begin with it, and is 0 where the client got none.
	status uint16
	unsafe bool
	// protocol is an index of protocols.
	protocol uint8
}

var protocols = []string{"1.1", "2", "3", "1.0"}

// Outcome is how a handshake of TLS ended.
type Outcome string

const (
	Succeeded Outcome = "ok"
	Failed    Outcome = "failed"
)

// Ejection is why an address is left out.
type Ejection string

const (
	// EjectedByCheck is by its health checks, EjectedByRequest by requests that failed with it.
	EjectedByCheck   Ejection = "check"
	EjectedByRequest Ejection = "request"
)

// maxAnswered bounds the series of an ingress whose instance answers with whatever there is; what comes beyond it is counted
// by the first digit of its status.
const maxAnswered = 64

// observe counts an exchange that has ended.
func (c *counts) observe(e *exchange.Exchange, r *http.Request) {
	seen := answered{status: statusOf(e.Status), unsafe: !isSafe(r.Method), protocol: uint8(slices.Index(protocols, exchange.Protocol(r)))}
	if len(c.requests) >= maxAnswered && c.requests.of(seen) == 0 && seen.status > 9 {
		seen.status /= 100
	}
	c.requests.add(seen, 1)
	c.duration.observe(timeOf(e))
	c.received += uint64(e.Received.Load())
	c.sent += uint64(e.Sent.Load())
	if e.Policy != "" {
		c.refusals.add(e.Policy, 1)
	}
	if e.Decision > 0 {
		if c.decision == nil {
			c.decision = &durations{}
		}
		c.decision.observe(e.Decision)
	}
	c.retries += uint64(e.Retries())
	c.observeAttempts(e)
}

func (c *counts) observeAttempts(e *exchange.Exchange) {
	counted := false
	for i := range e.Attempts {
		a := &e.Attempts[i]
		if a.FirstByte > 0 {
			c.firstByte.observe(a.FirstByte)
		}
		if a.Failure != "" && !a.Failure.IsClients() {
			c.errors.add(a.Failure, 1)
			counted = true
		}
	}
	// What kept a request from any attempt, or from another one, is none of an attempt.
	if e.Failure != "" && !e.Failure.IsClients() && !counted {
		c.errors.add(e.Failure, 1)
	}
}

// timeOf is how long the answer took. That of a tunnel is over when it begins.
func timeOf(e *exchange.Exchange) time.Duration {
	if e.Switched > 0 {
		return e.Switched
	}
	return e.Duration
}

// isSafe tells whether a method only reads (RFC 9110 section 9.2.1).
func isSafe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// labels are those of answered requests.
func (a answered) labels(ingress string) []string {
	class := "safe"
	if a.unsafe {
		class = "unsafe"
	}
	return []string{ingress, class, statusText(a.status), protocols[a.protocol]}
}

func statusText(status uint16) string {
	switch {
	case status == 0:
		return "none"
	case status <= 9:
		return strconv.Itoa(int(status)) + "xx"
	}
	return strconv.Itoa(int(status))
}

// empty tells whether nothing was counted.
func (c *counts) empty() bool {
	for i := range c.requests {
		if c.requests[i].count > 0 {
			return false
		}
	}
	for i := range c.ejections {
		if c.ejections[i].count > 0 {
			return false
		}
	}
	for i := range c.handshakes {
		if c.handshakes[i].count > 0 {
			return false
		}
	}
	return true
}

// statusOf is a status that has a name, and of others the first digit: an instance may answer with any number.
func statusOf(status int) uint16 {
	if http.StatusText(status) == "" && status != 499 {
		return uint16(status / 100)
	}
	return uint16(status)
}

// add adds all of other counts but their times, multiplied by 1 or -1.
func (c *counts) add(other *counts, sign int64) {
	c.requests.addAll(other.requests, sign)
	c.errors.addAll(other.errors, sign)
	c.refusals.addAll(other.refusals, sign)
	c.ejections.addAll(other.ejections, sign)
	c.handshakes.addAll(other.handshakes, sign)
	c.received += uint64(sign) * other.received
	c.sent += uint64(sign) * other.sent
	c.retries += uint64(sign) * other.retries
}

// add adds other times, multiplied by 1 or -1.
func (t *times) add(other *times, sign int64) {
	t.duration.add(&other.duration, sign)
	t.firstByte.add(&other.firstByte, sign)
	if other.decision != nil {
		if t.decision == nil {
			t.decision = &durations{}
		}
		t.decision.add(other.decision, sign)
	}
}

// tally counts by a few keys. Most have one or two, which are found sooner in a list than in a map.
type tally[K comparable] []tallied[K]

type tallied[K comparable] struct {
	key   K
	count uint64
}

func (t *tally[K]) add(key K, n uint64) {
	for i := range *t {
		if (*t)[i].key == key {
			(*t)[i].count += n
			return
		}
	}
	*t = append(*t, tallied[K]{key, n})
}

func (t tally[K]) of(key K) uint64 {
	for i := range t {
		if t[i].key == key {
			return t[i].count
		}
	}
	return 0
}

func (t *tally[K]) addAll(other tally[K], sign int64) {
	for i := range other {
		t.add(other[i].key, uint64(sign)*other[i].count)
	}
}
