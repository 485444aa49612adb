package upstreams

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/balance"
)

const (
	poolShards = 16
	// poolIdleFor is how long the state of a row is kept after its last request.
	poolIdleFor = 10 * time.Minute
	// manyPools is the number of states in a shard from which idle ones are looked for.
	manyPools = 64
	// manyFailing is the number of failing addresses of a row from which old ones are looked for.
	manyFailing = 256
)

// pool is what balancing remembers of a row. It belongs to the process, so that no reload forgets whose turn it is,
// how many requests an address has, and which address has failed.
type pool struct {
	usedUnix atomic.Int64

	turns balance.Turns

	mu       sync.Mutex
	inflight map[string]int
	failing  map[string]*failures
}

// failures are the times of the last failures of an address, as many as make it ejected; the oldest is at next.
type failures struct {
	times []time.Time
	next  int
}

type poolShard struct {
	mu    sync.RWMutex
	pools map[string]*pool
	swept time.Time
}

var pools [poolShards]poolShard

// seed is of the hash that chooses shards.
var seed = maphash.MakeSeed()

// poolOf is the state of a row.
func poolOf(row string) *pool {
	now := time.Now()
	s := &pools[maphash.String(seed, row)%poolShards]
	s.mu.RLock()
	p := s.pools[row]
	s.mu.RUnlock()
	if p == nil {
		p = s.add(row, now)
	}
	if unix := now.Unix(); p.usedUnix.Load() != unix {
		p.usedUnix.Store(unix)
	}
	return p
}

func (s *poolShard) add(row string, now time.Time) *pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pools[row]; p != nil {
		return p
	}
	if s.pools == nil {
		s.pools = make(map[string]*pool)
	}
	if len(s.pools) >= manyPools && now.Sub(s.swept) > time.Minute {
		s.swept = now
		for id, p := range s.pools {
			if p.idle(now) {
				delete(s.pools, id)
			}
		}
	}
	p := &pool{}
	p.usedUnix.Store(now.Unix())
	s.pools[row] = p
	return p
}

func (p *pool) idle(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Unix()-p.usedUnix.Load() > int64(poolIdleFor/time.Second) && len(p.inflight) == 0
}

// least chooses the address with the fewest requests, and counts this one.
func (p *pool) least(f *field) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	index := p.turns.Least(f.groups, func(i int) int { return p.inflight[f.list[i].dial] })
	if p.inflight == nil {
		p.inflight = make(map[string]int)
	}
	p.inflight[f.list[index].dial]++
	return index
}

// release ends a request of an address.
func (p *pool) release(dial string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inflight[dial]--; p.inflight[dial] <= 0 {
		delete(p.inflight, dial)
	}
}

// fail counts a failure of an address, and tells whether it made it ejected.
func (p *pool) fail(dial string, passive *Passive, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing == nil {
		p.failing = make(map[string]*failures)
	}
	if len(p.failing) >= manyFailing {
		for dial, f := range p.failing {
			if now.Sub(f.times[(f.next+len(f.times)-1)%len(f.times)]) > time.Duration(passive.FailDuration) {
				delete(p.failing, dial)
			}
		}
	}
	f := p.failing[dial]
	if f == nil || len(f.times) != passive.MaxFails {
		f = &failures{times: make([]time.Time, passive.MaxFails)}
		p.failing[dial] = f
	}
	before := f.until(passive).After(now)
	f.times[f.next] = now
	f.next = (f.next + 1) % len(f.times)
	return !before && f.until(passive).After(now)
}

// until is when the address is no longer ejected: when the oldest of enough failures no longer counts.
func (f *failures) until(passive *Passive) time.Time {
	oldest := f.times[f.next]
	if oldest.IsZero() {
		return oldest
	}
	return oldest.Add(time.Duration(passive.FailDuration))
}

// ejected is when an address is no longer left out; zero when it is not.
func (p *pool) ejected(dial string, passive *Passive, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failing[dial]
	if f == nil || len(f.times) != passive.MaxFails {
		return time.Time{}
	}
	if until := f.until(passive); until.After(now) {
		return until
	}
	return time.Time{}
}
