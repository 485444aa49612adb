package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"gatewright.dev/caddy/internal/notify"
)

const (
	// negativeTTL is how long "no such name", "no address" and a failed question are believed.
	negativeTTL = time.Second
	// staleFactor times its TTL is the age to which an address is used while it is asked for again.
	staleFactor = 10
	// lastKnownFor is the age to which an address is used when the DNS fails (RFC 8767 section 5 says 1 to 3 days;
	// instances move more often than zones).
	lastKnownFor = time.Hour
	// lookupTimeout bounds one lookup: two questions with all their attempts, and TCP.
	lookupTimeout = 5 * time.Second
	// lastKnownAfter is the wait for an answer after which an address known from before is taken (RFC 8767 section 5,
	// the client response timer).
	lastKnownAfter = 500 * time.Millisecond
)

// ErrNoAddress says that the DNS knows no address of the name: there is no such instance, or it has none now.
var ErrNoAddress = errors.New("the instance has no address")

// ErrNoName is the ErrNoAddress of a name that does not exist.
var ErrNoName = fmt.Errorf("there is no such instance: %w", ErrNoAddress)

// Resolver finds the addresses of instances by DNS and remembers them.
//
// Each name has its own entry with at most one question in flight; nothing is locked while a question is under way.
// An address is used for its TTL, but at least minTTL. Past that, a name in use is asked for in the background
// while the old address serves. When the DNS fails, the last known address serves for up to an hour.
type Resolver struct {
	exchanger *exchanger
	// external finds addresses in the exchanger's place; nil for the zone of instances.
	external func(context.Context, string) (answer, error)
	zone     string
	minTTL   time.Duration
	now      func() time.Time
	shards   [shardCount]shard
	stop     chan struct{}
	changes  notify.Notifier
}

// flight is a question under way.
type flight struct {
	done chan struct{}
	item *Item
}

// New starts a resolver that asks the DNS server at address (host:port) for names in zone.
func New(address, zone string, minTTL time.Duration) *Resolver {
	return newResolver(address, zone, minTTL, time.Now)
}

func newResolver(address, zone string, minTTL time.Duration, now func() time.Time) *Resolver {
	r := &Resolver{
		exchanger: newExchanger(address),
		minTTL:    max(minTTL, negativeTTL),
		now:       now,
		stop:      make(chan struct{}),
	}
	if zone = strings.Trim(zone, "."); zone != "" {
		r.zone = "." + zone
	}
	r.zone += "."
	for i := range r.shards {
		r.shards[i].entries = make(map[string]*entry)
	}
	go r.sweepForever()
	return r
}

// Destruct ends the resolver (caddy.Destructor).
func (r *Resolver) Destruct() error {
	close(r.stop)
	r.exchanger.close()
	return nil
}

// Lookup returns what is known of a name, and asks first when that is nothing or too old. It always returns an item.
func (r *Resolver) Lookup(ctx context.Context, instance string) *Item {
	now := r.now()
	e := r.entry(instance)
	usedBefore := e.usedUnix.Load()
	if usedBefore != now.Unix() {
		e.usedUnix.Store(now.Unix())
	}
	item := e.item.Load()
	if item != nil && !item.mustAsk {
		if now.Before(item.expires) {
			return item
		}
		if item.failing && now.Before(item.verified.Add(lastKnownFor)) {
			r.refresh(e, instance, nil)
			return item
		}
		recent := now.Unix()-usedBefore <= int64(item.ttl/time.Second)+1
		if item.err == nil && recent && now.Before(item.verified.Add(staleFactor*item.ttl)) {
			r.refresh(e, instance, nil)
			return item
		}
	}
	return r.ask(ctx, e, instance, nil)
}

// Again asks for a name at whose address, that of the item failed, no connection came about, and waits for the answer.
func (r *Resolver) Again(ctx context.Context, instance string, failed *Item) *Item {
	return r.ask(ctx, r.entry(instance), instance, failed)
}

// Instance is what a DNS name of a server (`ip:port`) stands for in the resolver's zone; false when that is nothing.
func (r *Resolver) Instance(server, name string) (string, bool) {
	if server != r.exchanger.server {
		return "", false
	}
	instance, is := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(name, "."))+".", r.zone)
	return instance, is && instance != "" && r.external == nil
}

// Changed returns a channel that is closed by the next change that the resolver is told of.
func (r *Resolver) Changed() <-chan struct{} { return r.changes.Wait() }

// ask waits for an answer newer than failed; where an address is known from before, not for long.
func (r *Resolver) ask(ctx context.Context, e *entry, instance string, failed *Item) *Item {
	last := e.item.Load()
	f := r.refresh(e, instance, failed)
	if f == nil {
		return e.item.Load()
	}
	var patience <-chan time.Time
	if failed == nil && last != nil && len(last.addrs) > 0 && r.now().Before(last.verified.Add(lastKnownFor)) {
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

// refresh joins or starts the question for a name. It returns nil when something newer than failed is known by now.
func (r *Resolver) refresh(e *entry, instance string, failed *Item) *flight {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flight != nil {
		return e.flight
	}
	item := e.item.Load()
	if item != nil && !item.mustAsk && item != failed && r.now().Before(item.expires) {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	e.flight = f
	go r.fly(e, instance, f, e.epoch)
	return f
}

func (r *Resolver) fly(e *entry, instance string, f *flight, epoch uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	for {
		found, err := r.find(ctx, instance)
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
	switch {
	case errors.Is(err, errName):
		return &Item{err: ErrNoName, verified: now, expires: now.Add(negativeTTL)}
	case err != nil:
		if before != nil && len(before.addrs) > 0 && now.Before(before.verified.Add(lastKnownFor)) {
			last := &Item{addrs: before.addrs, ttl: before.ttl, verified: before.verified, expires: now.Add(negativeTTL), failing: true}
			last.dials.Store(before.dials.Load())
			return last
		}
		return &Item{err: err, verified: now, expires: now.Add(negativeTTL)}
	case !found.exists:
		return &Item{err: ErrNoName, verified: now, expires: now.Add(negativeTTL)}
	case len(found.addrs) == 0:
		return &Item{err: ErrNoAddress, verified: now, expires: now.Add(negativeTTL)}
	}
	ttl := max(found.ttl, r.minTTL)
	return &Item{addrs: found.addrs, ttl: ttl, verified: now, expires: now.Add(ttl)}
}

// Push tells the addresses of an instance ahead of its own question; none means that it has none.
func (r *Resolver) Push(instance string, addrs []netip.Addr, ttl time.Duration) {
	e := r.entry(strings.ToLower(instance))
	now := r.now()
	ttl = max(ttl, r.minTTL)
	item := &Item{addrs: addrs, ttl: ttl, verified: now, expires: now.Add(ttl)}
	if len(addrs) == 0 {
		item.err = ErrNoAddress
	}
	r.push(e, item)
}

// PushUnknown tells that there is no such instance.
func (r *Resolver) PushUnknown(instance string, ttl time.Duration) {
	now := r.now()
	r.push(r.entry(strings.ToLower(instance)), &Item{err: ErrNoName, verified: now, expires: now.Add(max(ttl, r.minTTL))})
}

func (r *Resolver) push(e *entry, item *Item) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epoch++
	e.item.Store(item)
	e.usedUnix.CompareAndSwap(0, item.verified.Unix())
	r.changes.Tell()
}

// Flush has every name asked for again before it is used. Its last known address is used only when that fails.
func (r *Resolver) Flush() {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.RLock()
		entries := make([]*entry, 0, len(s.entries))
		for _, e := range s.entries {
			entries = append(entries, e)
		}
		s.mu.RUnlock()
		for _, e := range entries {
			e.mu.Lock()
			e.epoch++
			if item := e.item.Load(); item != nil {
				e.item.Store(&Item{addrs: item.addrs, ttl: item.ttl, verified: item.verified, mustAsk: true, err: item.err})
			}
			e.mu.Unlock()
		}
	}
	r.changes.Tell()
}

// idle tells whether nothing is remembered: nobody has asked for a while.
func (r *Resolver) idle() bool {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.RLock()
		names := len(s.entries)
		s.mu.RUnlock()
		if names > 0 {
			return false
		}
	}
	return true
}

// sweepForever drops idle names, a part of the shards each second, so that no sweep is long.
func (r *Resolver) sweepForever() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	next := rand.IntN(shardCount)
	for {
		select {
		case <-r.stop:
			return
		case <-ticker.C:
		}
		for range 8 {
			r.shards[next].sweep(r.now())
			next = (next + 1) % shardCount
		}
	}
}
