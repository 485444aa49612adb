package metrics

import (
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/table"
)

// Ingress is what is counted of an ingress, from its first request on and for as long as it is in the host table.
type Ingress struct {
	active atomic.Int64

	mu   sync.Mutex
	name string
	// busy is the record while there are many requests; else it is nil, and packed has the record.
	busy   *record
	packed packed
	// requests are those that have ended.
	requests uint64
	// last is the tick of the ring's newest slot; 0 without one.
	last int64
	// ringSize is what the ring had when that was last looked at.
	ringSize int64

	business   business
	counters   place[counts, *counts]
	histograms place[times, *times]
	// gone tells that the ingress is not in the host table any more.
	gone bool
}

// shardCount is that of the locks between which ingresses are spread.
const shardCount = 64

type shard struct {
	mu sync.RWMutex
	// by is by the ingress's id.
	by map[string]*Ingress
}

var (
	shards [shardCount]shard
	seed   = maphash.MakeSeed()
)

// idOf is the id of a row's ingress: rows are `<ingress id>/<index>`.
func idOf(row string) string {
	id, _, _ := strings.Cut(row, "/")
	return id
}

// known is what is counted of an ingress; nil before there was anything.
func known(id string) *Ingress {
	s := &shards[maphash.String(seed, id)%shardCount]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.by[id]
}

// Of is what is counted of the ingress of a row.
func Of(row *table.Row) *Ingress { return of(row.ID(), row.Ingress()) }

// OfRow is Of by the row's id; the ingress's name is learnt when it is told.
func OfRow(id string) *Ingress { return of(id, "") }

func of(row, name string) *Ingress {
	id := idOf(row)
	s := &shards[maphash.String(seed, id)%shardCount]
	s.mu.RLock()
	i := s.by[id]
	s.mu.RUnlock()
	if i != nil {
		return i
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i = s.by[id]; i == nil {
		i = &Ingress{name: name}
		if s.by == nil {
			s.by = make(map[string]*Ingress)
		}
		s.by[strings.Clone(id)] = i
	}
	return i
}

// Begin counts a request that is under way, until End.
func (i *Ingress) Begin() { i.active.Add(1) }

// End counts an exchange that Begin has begun.
func (i *Ingress) End(e *exchange.Exchange, r *http.Request) {
	i.active.Add(-1)
	at := e.Start.Add(e.Duration)
	i.mu.Lock()
	if i.gone {
		i.mu.Unlock()
		gathering.late(e, r)
		return
	}
	i.requests++
	record := i.open()
	record.counts.observe(e, r)
	record.ring.add(at, e)
	i.keep(record)
	i.mu.Unlock()
	sweepLater(at)
}

// Eject counts addresses that are left out.
func (i *Ingress) Eject(why Ejection, addresses int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	record := i.open()
	record.counts.ejections.add(why, uint64(addresses))
	i.keep(record)
}

// Handshake counts one for a name of the ingress.
func (i *Ingress) Handshake(how Outcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	record := i.open()
	record.counts.handshakes.add(how, 1)
	i.keep(record)
}

const (
	// maxRingBytes bounds the memory of all rings. Above it those unused for longest go.
	maxRingBytes = 128 << 20
	sweepEvery   = 60
)

var (
	ringBytes atomic.Int64
	swept     atomic.Int64
)

// sweepLater drops the rings without traffic of late, once a minute, and earlier where they take too much.
func sweepLater(now time.Time) {
	last := swept.Load()
	if !isDue(now.Unix()-last, ringBytes.Load()) || !swept.CompareAndSwap(last, now.Unix()) {
		return
	}
	if last != 0 {
		go sweep(tickOf(now), maxRingBytes)
	}
}

// isDue tells whether rings are looked at, so many seconds after the last time and with so many bytes.
func isDue(since, bytes int64) bool { return since >= sweepEvery || since >= 5 && bytes > maxRingBytes }

// sweep drops rings that are idle, and then the ones unused for longest until they take no more than so many bytes.
func sweep(now, most int64) {
	type use struct {
		of   *Ingress
		last int64
	}
	byAge := make([][]use, keptTicks+1)
	each(func(_ string, i *Ingress) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.last == 0 {
			return
		}
		if age := now - i.last; age > keptTicks {
			i.dropRing()
		} else {
			byAge[max(age, 0)] = append(byAge[max(age, 0)], use{i, i.last})
		}
	})
	for age := keptTicks; age > 0 && ringBytes.Load() > most; age-- {
		for _, u := range byAge[age] {
			u.of.mu.Lock()
			if u.of.last == u.last && ringBytes.Load() > most {
				u.of.dropRing()
			}
			u.of.mu.Unlock()
		}
	}
}

// dropRing forgets the traffic of late. mu is held.
func (i *Ingress) dropRing() {
	record := i.open()
	record.ring = ring{}
	i.keep(record)
}

// each visits all that is counted.
func each(visit func(id string, i *Ingress)) {
	for at := range shards {
		s := &shards[at]
		s.mu.RLock()
		for id, i := range s.by {
			visit(id, i)
		}
		s.mu.RUnlock()
	}
}
