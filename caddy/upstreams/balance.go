package upstreams

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"gatewright.dev/caddy/metrics"
	"gatewright.dev/caddy/targets"
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
	pool   *targets.Pool
	field  targets.Field
	// entered tells that the address of the last attempt has the request counted, and counted that it has its failure.
	entered, counted bool
	attempts         int
	started          time.Time
	// until is when waiting for a paused or waking target ends; zero before it began.
	until time.Time
	// woke tells that an instance was asked to wake.
	woke bool
	// cookie is the value that the client is to be given; "" when it has it.
	cookie     string
	retryAfter time.Duration
}

// balance chooses one address of the row's targets, and waits for one where the row or the source allows that.
func (s *Source) balance(q *Request, r *http.Request) ([]*reverseproxy.Upstream, error) {
	b := q.balanced
	if b == nil {
		b = &balanced{source: s, pool: poolOf(q.Row.ID()), started: time.Now()}
		q.balanced = b
	}
	b.release(q)
	b.attempts++
	if s.Retries != nil && b.attempts > *s.Retries+1 && !b.woke {
		return nil, nil
	}
	if b.choose(q, r, false) {
		return upstreamOf(q.picked), nil
	}
	return b.wait(q, r)
}

// search is that of the request's row.
func (b *balanced) search(q *Request) targets.Search {
	return targets.Search{
		Row: q.Row, Host: q.Host, Resolver: q.Resolver, Guard: q.Guard, Asker: q,
		Health: b.source.Health, Checked: b.source.Health, Passive: b.source.Passive, Pool: b.pool,
	}
}

// find looks at all targets.
func (b *balanced) find(q *Request, r *http.Request, again bool) {
	search := b.search(q)
	if !again {
		search.Tried = q.failed
	}
	b.field.Find(r.Context(), &search)
	for _, refused := range b.field.Refused {
		b.source.warnRefused(q, refused)
	}
	if b.woke {
		b.field.Awake()
	}
}

// choose picks an address; q.Err tells why there is none. With again, one may be that has failed in this request.
func (b *balanced) choose(q *Request, r *http.Request, again bool) bool {
	f := &b.field
	b.find(q, r, again)
	if len(f.List) == 0 && f.Tried && !again && !b.mayWait() {
		// Nothing but what has failed: better that than nothing, it may have been a passing failure.
		b.find(q, r, true)
	}
	if len(f.List) == 0 {
		b.arrange(q)
		return false
	}
	q.Err, q.Refused = nil, false
	var index int
	index, b.cookie = b.source.pick(f, b.pool, r, q.Row.ID())
	q.picked, q.origin, b.counted = f.List[index].Dial, f.Origin(index), false
	if b.source.Policy == "least_conn" {
		b.entered = b.pool.Enter(q.picked, 0)
	}
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

// why says why there is no address.
func (b *balanced) why(q *Request) {
	f := &b.field
	q.Err, q.Refused = f.Err(), f.OnlyRefused()
	if !f.Back.IsZero() {
		b.retryAfter = time.Until(f.Back)
	}
}

// arrange says why there is no address, and arranges for one where that is possible.
func (b *balanced) arrange(q *Request) {
	f := &b.field
	b.why(q)
	limit, asked := max(f.Pause, time.Until(f.Unchecked)), false
	for _, name := range f.Sleeping {
		if err := targets.Wake(name, q.Row.ID()); err != nil {
			q.Err = err
		} else {
			asked = true
		}
	}
	if asked {
		q.Err = targets.ErrWaking
		b.woke = true
		limit = max(limit, f.Wake)
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
		q.Err = targets.ErrTooManyWait
		return nil, nil
	}
	defer waiting.Leave(rule, client)
	pause := time.Now().Add(attemptPause)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed, moved := targets.Changed(), q.Resolver.Changed()
		if b.choose(q, r, len(q.failed) > 0 && !time.Now().Before(pause)) {
			return upstreamOf(q.picked), nil
		}
		if errors.Is(q.Err, targets.ErrNotWoken) || errors.Is(q.Err, targets.ErrTooManyWakes) {
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

// release ends the part that the request had in the load of its address.
func (b *balanced) release(q *Request) {
	if b.entered {
		b.entered = false
		b.pool.Leave(q.picked)
	}
}

// blame counts the failure of the picked address, once.
func (q *Request) blame() {
	b := q.balanced
	if b == nil || b.source.Passive == nil || b.counted {
		return
	}
	b.counted = true
	if !b.pool.Fail(q.picked, "", b.source.Passive) {
		return
	}
	metrics.Of(q.Row).Eject(metrics.EjectedByRequest, 1)
	if suppressed, ok := warnings.Allow(q.Row.ID()); ok {
		b.source.logger.Warn("address left out after failed requests",
			zap.String("rule", q.Row.ID()),
			zap.String("ingress", q.Row.Ingress()),
			zap.String("address", q.picked),
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
	b.release(q)
	if upstreamFailed && q.Err == nil && q.picked != "" {
		q.blame()
	}
}

// RetryAfter is when the client may try again, in whole seconds; 0 when nothing is known of that.
func (q *Request) RetryAfter() int {
	if q.balanced == nil || q.balanced.retryAfter <= 0 {
		return 0
	}
	return int((q.balanced.retryAfter + time.Second - 1) / time.Second)
}
