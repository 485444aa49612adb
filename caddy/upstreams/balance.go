package upstreams

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/resolver"
)

const (
	// attemptPause is the time before addresses are tried that have failed in this request, where there is time for it.
	attemptPause = 250 * time.Millisecond
	// lookAgain is the time after which a waiting request looks again without having been told of a change: failures
	// and negative answers end by themselves.
	lookAgain = 500 * time.Millisecond
)

// balanced is what balancing knows of a request beside its row.
type balanced struct {
	source *Source
	pool   *pool
	// picked is the address of the last attempt, "" before the first, and origin where it came from.
	picked   string
	origin   origin
	acquired bool
	// counted tells that the failure of picked is.
	counted  bool
	attempts int
	started  time.Time
	// until is when waiting for a paused or waking target ends; zero before it began.
	until time.Time
	// woke tells that an instance was asked to wake.
	woke bool
	// cookie is the value that the client is to be given; "" when it has it.
	cookie     string
	retryAfter time.Duration
	// Room for the lists of most rows, so that these cost no allocation of their own.
	candidates [4]candidate
	groups     [3]balance.Group
	origins    [3]origin
}

// balance chooses one address of the row's targets, and waits for one where the row or the source allows that.
func (s *Source) balance(q *Request, r *http.Request) ([]*reverseproxy.Upstream, error) {
	b := q.balanced
	if b == nil {
		b = &balanced{source: s, started: time.Now()}
		q.balanced = b
	}
	b.release()
	b.attempts++
	if s.Retries != nil && b.attempts > *s.Retries+1 && !b.woke {
		return nil, nil
	}
	if s.needsPool(q) && b.pool == nil {
		b.pool = poolOf(q.Row.ID())
	}
	if b.choose(q, r, false) {
		return b.upstream(), nil
	}
	return b.wait(q, r)
}

// needsPool tells whether the row's state is used.
func (s *Source) needsPool(q *Request) bool {
	return s.Passive != nil || s.policy != first && s.policy != random
}

// choose looks at all targets and picks an address; q.Err tells why there is none.
func (b *balanced) choose(q *Request, r *http.Request, again bool) bool {
	g := b.gather(q, r, again)
	if len(g.list) == 0 && g.failed && !again && !b.mayWait() {
		// Nothing but what has failed: better that than nothing, it may have been a passing failure.
		g = b.gather(q, r, true)
	}
	if len(g.list) == 0 {
		b.explain(q, &g.findings)
		return false
	}
	q.Err, q.Refused = nil, false
	c := choice{b.source, r, q.Row.ID(), b.pool}
	index, token := c.choose(&g.field)
	b.picked, b.origin = g.list[index].dial, g.origins[g.list[index].group]
	b.cookie, b.counted = token, false
	b.acquired = b.source.policy == leastConn
	return true
}

// mayWait tells whether the request has time for other attempts than immediate ones.
func (b *balanced) mayWait() bool {
	return time.Now().Before(b.deadline())
}

// deadline is when the request has waited for as long as it may.
func (b *balanced) deadline() time.Time {
	deadline := b.started.Add(time.Duration(b.source.TryDuration))
	if b.until.After(deadline) {
		return b.until
	}
	return deadline
}

// explain says why there is no address, and arranges for one where that is possible.
func (b *balanced) explain(q *Request, found *findings) {
	q.Err, q.Refused = found.err, found.refused && found.err == nil
	switch {
	case q.Refused:
		q.Err = errRefused
	case q.Err == nil && found.failed:
		q.Err = resolver.ErrNoAnswer
	case q.Err == nil:
		q.Err = errNoTargets
	}
	if !found.back.IsZero() {
		b.retryAfter = time.Until(found.back)
	}
	limit := found.pause
	if len(found.sleeping) > 0 {
		asked := false
		for _, name := range found.sleeping {
			if err := wakes.ask(name, q.Row.ID()); err != nil {
				q.Err = err
			} else {
				asked = true
			}
		}
		if asked {
			q.Err = errWaking
			b.woke = true
			limit = max(limit, found.wake)
		}
	}
	if limit > 0 && b.until.IsZero() {
		b.until = time.Now().Add(limit)
	}
}

// wait waits for an address: of a paused target, of an instance that wakes, or of any for the try duration.
func (b *balanced) wait(q *Request, r *http.Request) ([]*reverseproxy.Upstream, error) {
	if !b.mayWait() {
		return nil, nil
	}
	rule, client := q.Asking()
	if !waiting.Enter(rule, client) {
		q.Err = errTooMany
		return nil, nil
	}
	defer waiting.Leave(rule, client)
	pause := time.Now().Add(attemptPause)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed, moved := changes.Wait(), q.Resolver.Changed()
		if b.choose(q, r, len(q.failed) > 0 && !time.Now().Before(pause)) {
			return b.upstream(), nil
		}
		if errors.Is(q.Err, errNotWoken) || errors.Is(q.Err, errTooManyWakes) {
			return nil, nil
		}
		left := time.Until(b.deadline())
		if left <= 0 {
			return nil, nil
		}
		if len(q.failed) > 0 {
			left = min(left, attemptPause)
		}
		timer.Reset(min(left, lookAgain))
		select {
		case <-changed:
		case <-moved:
		case <-timer.C:
		case <-r.Context().Done():
			q.Err = r.Context().Err()
			return nil, nil
		}
	}
}

func (b *balanced) upstream() []*reverseproxy.Upstream { return appendUpstream(nil, b.picked) }

// release ends the part that the request had in the load of its address.
func (b *balanced) release() {
	if b.acquired {
		b.acquired = false
		b.pool.release(b.picked)
	}
}

// reset takes note that the picked address has failed, and asks for it again where it came from DNS.
func (b *balanced) reset(q *Request, r *http.Request) {
	if b.picked == "" {
		return
	}
	b.fail(q)
	if !slices.Contains(q.failed, b.picked) {
		q.failed = append(q.failed, b.picked)
	}
	if b.origin.item != nil {
		b.origin.resolver.Again(r.Context(), b.origin.name, b.origin.item, q)
	}
}

// fail counts the failure of the picked address, once.
func (b *balanced) fail(q *Request) {
	if b.source.Passive == nil || b.counted || b.picked == "" {
		return
	}
	b.counted = true
	if !b.pool.fail(b.picked, b.source.Passive, time.Now()) {
		return
	}
	if suppressed, ok := warnings.Allow(q.Row.ID()); ok {
		b.source.logger.Warn("address left out after failed requests",
			zap.String("rule", q.Row.ID()),
			zap.String("ingress", q.Row.Ingress()),
			zap.String("address", b.picked),
			zap.Duration("for", time.Duration(b.source.Passive.FailDuration)),
			zap.Uint32("suppressed", suppressed))
	}
}

// Done is called when the request has been handled; upstreamFailed tells that its last attempt failed for the sake of
// the address and not of the client.
func (q *Request) Done(upstreamFailed bool) {
	b := q.balanced
	if b == nil {
		return
	}
	b.release()
	if upstreamFailed && q.Err == nil {
		b.fail(q)
	}
}

// RetryAfter is when the client may try again, in whole seconds; 0 when nothing is known of that.
func (q *Request) RetryAfter() int {
	if q.balanced == nil || q.balanced.retryAfter <= 0 {
		return 0
	}
	return int((q.balanced.retryAfter + time.Second - 1) / time.Second)
}
