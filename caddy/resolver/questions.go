package resolver

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Asker says on whose behalf a name is asked for; nil for nobody in particular.
type Asker interface {
	// Asking is the id of the rule and the client's address.
	Asking() (rule, client string)
}

// flight is a question under way.
type flight struct {
	done chan struct{}
	item *Item
}

// ask waits for an answer newer than failed; where an address is known from before, not for long.
func (r *Resolver) ask(ctx context.Context, e *entry, instance string, failed *Item, asker Asker) *Item {
	last := e.item.Load()
	usable := failed == nil && last != nil && len(last.addrs) > 0 && r.now().Before(last.verified.Add(lastKnownFor))
	f, err := r.refresh(e, instance, failed, asker)
	if err != nil && !usable {
		f, err = r.refreshPatiently(ctx, e, instance, failed, asker)
	}
	switch {
	case err != nil && usable:
		return last
	case err != nil:
		if errors.Is(err, errBusy) {
			turnedAway.Inc()
		}
		return &Item{err: err}
	case f == nil:
		return e.item.Load()
	}
	var patience <-chan time.Time
	if usable {
		timer := time.NewTimer(lastKnownAfter)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-f.done:
		return f.item
	case <-patience:
		return last
	case <-ctx.Done():
		return &Item{err: ctx.Err()}
	}
}

// refresh joins or starts the question for a name. It returns nil when something newer than failed is known by now, and
// an error when there is no room for a question.
func (r *Resolver) refresh(e *entry, instance string, failed *Item, asker Asker) (*flight, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != nil {
		return e.flight, nil
	}
	item := e.item.Load()
	if item != nil && !item.mustAsk && item != failed && r.now().Before(item.expires) {
		return nil, nil
	}
	rule, client := asking(asker)
	if !r.questions.Enter(rule, client) {
		return nil, errBusy
	}
	f := &flight{done: make(chan struct{})}
	e.flight = f
	go func(epoch uint64) {
		defer r.questions.Leave(rule, client)
		r.fly(e, instance, f, epoch)
	}(e.epoch)
	return f, nil
}

// refreshPatiently is refresh when there was no room: it waits for some, for a while. It looks instead of being told,
// since most of those who would be told could not go on.
func (r *Resolver) refreshPatiently(ctx context.Context, e *entry, instance string, failed *Item, asker Asker) (*flight, error) {
	rule, client := asking(asker)
	if !r.waiting.Enter(rule, client) {
		return nil, errBusy
	}
	defer r.waiting.Leave(rule, client)
	pause := time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for end := time.Now().Add(waitForRoom); ; {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f, err := r.refresh(e, instance, failed, asker); err == nil || time.Now().After(end) {
			return f, err
		}
		pause = min(2*pause, 50*time.Millisecond)
		timer.Reset(pause)
	}
}

func asking(asker Asker) (rule, client string) {
	if asker == nil {
		return "", ""
	}
	return asker.Asking()
}

func (r *Resolver) fly(e *entry, instance string, f *flight, epoch uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	questionsActive.Inc()
	defer questionsActive.Dec()
	for {
		began := time.Now()
		found, err := r.find(ctx, instance)
		r.countQuestion(found, err, began)
		e.mu.Lock()
		if e.epoch == epoch {
			f.item = r.judge(found, err, e.item.Load())
			e.item.Store(f.item)
		} else if item := e.item.Load(); item != nil && !item.mustAsk {
			// Told meanwhile.
			f.item = item
		} else {
			// Forgotten meanwhile: what was asked before does not count.
			epoch = e.epoch
			e.mu.Unlock()
			if ctx.Err() == nil {
				continue
			}
			e.mu.Lock()
			f.item = &Item{err: ErrNoAnswer}
		}
		e.flight = nil
		e.mu.Unlock()
		close(f.done)
		return
	}
}

func (r *Resolver) find(ctx context.Context, name string) (answer, error) {
	if r.external != nil {
		return r.external(ctx, name)
	}
	if !strings.HasSuffix(name, ".svc") {
		return r.exchanger.lookup(ctx, name+r.zone)
	}
	// A service may have instances of both families.
	found, err := r.exchanger.ask(ctx, name+r.zone, dnsmessage.TypeA)
	if err != nil || !found.exists {
		return found, err
	}
	six, err := r.exchanger.ask(ctx, name+r.zone, dnsmessage.TypeAAAA)
	found.addrs = append(found.addrs, six.addrs...)
	if len(six.addrs) > 0 && (found.ttl == 0 || six.ttl < found.ttl) {
		found.ttl = six.ttl
	}
	return found, err
}

// judge makes an answer, or the failure to get one, into what is known from now on.
func (r *Resolver) judge(found answer, err error, before *Item) *Item {
	now := r.now()
	if err == nil && r.external == nil {
		r.told.heard(now)
	}
	switch {
	case errors.Is(err, errName) || err == nil && !found.exists:
		err = ErrNoName
	case err == nil && len(found.addrs) == 0:
		err = ErrNoAddress
	case err == nil:
		ttl := max(found.ttl, r.minTTL)
		return &Item{addrs: found.addrs, ttl: ttl, verified: now, expires: now.Add(ttl)}
	case before != nil && len(before.addrs) > 0 && now.Before(before.verified.Add(lastKnownFor)):
		last := &Item{addrs: before.addrs, ttl: before.ttl, verified: before.verified, expires: now.Add(negativeTTL), failing: true}
		last.dials.Store(before.dials.Load())
		return last
	}
	return &Item{err: err, verified: now, expires: now.Add(negativeTTL)}
}
