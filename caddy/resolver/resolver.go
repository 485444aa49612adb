package resolver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"gatewright.dev/caddy/internal/notify"
	"gatewright.dev/caddy/internal/room"
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

// The questions under way at one time. Each takes less than a millisecond where the DNS server is on this host; when it
// does not answer, more of them would only wait.
const (
	maxQuestions         = 512
	maxQuestionsOfRule   = 256
	maxQuestionsOfClient = 128
)

// Those who wait for room, and for how long.
const (
	maxWaiting         = 4096
	maxWaitingOfRule   = 2048
	maxWaitingOfClient = 1024
	waitForRoom        = time.Second
)

// errBusy says that too many questions are under way.
var errBusy = errors.New("too many DNS questions in flight")

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
	told     told
	// questions are those under way.
	questions *room.Room
	// waiting are those who wait for room for a question.
	waiting *room.Room
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
		questions: room.New(maxQuestions, maxQuestionsOfRule, maxQuestionsOfClient),
		waiting:   room.New(maxWaiting, maxWaitingOfRule, maxWaitingOfClient),
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
func (r *Resolver) Lookup(ctx context.Context, instance string, asker Asker) *Item {
	now := r.now()
	e := r.entry(instance)
	usedBefore := e.usedUnix.Load()
	if usedBefore != now.Unix() {
		e.usedUnix.Store(now.Unix())
	}
	item := e.item.Load()
	if item != nil && !item.mustAsk {
		if now.Before(item.expires) {
			r.count(e, hit)
			return item
		}
		if item.failing && now.Before(item.verified.Add(lastKnownFor)) {
			r.count(e, stale)
			r.refresh(e, instance, nil, nil)
			return item
		}
		recent := now.Unix()-usedBefore <= int64(item.ttl/time.Second)+1
		if item.err == nil && recent && now.Before(item.verified.Add(staleFactor*item.ttl)) {
			r.count(e, stale)
			r.refresh(e, instance, nil, nil)
			return item
		}
	}
	r.count(e, miss)
	return r.ask(ctx, e, instance, nil, asker)
}

// Again asks for a name at whose address, that of the item failed, no connection came about, and waits for the answer.
func (r *Resolver) Again(ctx context.Context, instance string, failed *Item, asker Asker) *Item {
	return r.ask(ctx, r.entry(instance), instance, failed, asker)
}

// Instance is what a DNS name of a server (`ip:port`) stands for in the resolver's zone; false when that is nothing.
func (r *Resolver) Instance(server, name string) (string, bool) {
	if server != r.exchanger.server {
		return "", false
	}
	instance, is := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(name, "."))+".", r.zone)
	return instance, is && instance != "" && r.external == nil
}

// Changed returns a channel that is closed by the next change of an address.
func (r *Resolver) Changed() <-chan struct{} { return r.changes.Wait() }

// Push tells the addresses of an instance ahead of its own question; none means that it has none. They count for minTTL.
func (r *Resolver) Push(instance string, addrs []netip.Addr) {
	var err error
	if len(addrs) == 0 {
		err = ErrNoAddress
	}
	r.push(strings.ToLower(instance), addrs, err)
}

// PushUnknown tells that there is no such instance.
func (r *Resolver) PushUnknown(instance string) { r.push(strings.ToLower(instance), nil, ErrNoName) }

func (r *Resolver) push(instance string, addrs []netip.Addr, err error) {
	now := r.now()
	r.told.update(instance, addrs, now)
	e := r.entry(instance)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epoch++
	e.item.Store(&Item{addrs: addrs, err: err, ttl: r.minTTL, verified: now, expires: now.Add(r.minTTL)})
	e.usedUnix.CompareAndSwap(0, now.Unix())
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

// idle tells whether nothing is remembered, since no name was asked for in a while.
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
		// A disk that is full takes nothing from requests.
		_ = r.told.save(r.now())
		for range 8 {
			r.shards[next].sweep(r.now())
			next = (next + 1) % shardCount
		}
	}
}
