package upstreams

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/targets"
)

// errNoUpstream is what the proxy says; why is in Request.Err.
var errNoUpstream = errors.New("no upstreams available")

// Explain tells which addresses there are and which of them would take the request, without having an instance woken, and
// without waiting or taking a turn.
func (s *Source) Explain(r *http.Request, rec *rehearsal.Record, _ *rehearsal.Step) error {
	q := RequestOf(r)
	if q == nil {
		return errNotDispatched
	}
	b := &balanced{source: s, pool: poolOf(q.Row.ID()), started: time.Now()}
	q.balanced = b
	search := b.search(q)
	rec.Upstream = rehearsal.Addresses(r.Context(), &b.field, &search, policyName(s.Policy))
	f := &b.field
	if len(f.List) == 0 {
		b.why(q)
		rec.Upstream.Error = q.Err.Error()
		wait := max(f.Pause, time.Until(f.Unchecked), time.Duration(s.TryDuration))
		if len(f.Sleeping) > 0 {
			q.Err = targets.ErrWaking
			rec.Upstream.Wakes, wait = f.Sleeping, max(wait, f.Wake)
		}
		rec.Upstream.WaitMS = max(wait, 0).Milliseconds()
		return caddyhttp.Error(http.StatusServiceUnavailable, errNoUpstream)
	}
	if index, sure := s.sure(f, r, q.Row.ID()); sure {
		rec.Upstream.Choose(f.List[index].Dial)
	}
	if err := rec.Connect(r.Context(), rec.Upstream); err != nil {
		q.Try("", "")
		q.Last().Failure = rehearsal.FailureOf(err)
		return caddyhttp.Error(rehearsal.StatusOf(err), err)
	}
	return nil
}

func policyName(policy string) string {
	if policy == "" {
		return "round_robin"
	}
	return policy
}

// sure is pick where that does not hang on whose turn it is.
func (s *Source) sure(f *targets.Field, r *http.Request, row string) (index int, sure bool) {
	if s.Policy != "cookie" {
		return f.Sure(s.Policy, s.key(r))
	}
	if at := s.kept(f, r, row); at >= 0 {
		return at, true
	}
	return f.Sure("", "")
}
