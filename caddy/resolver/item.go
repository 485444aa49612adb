package resolver

import (
	"hash/maphash"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// idleFor is how long a name is kept after it was asked for last.
	idleFor    = 10 * time.Minute
	shardCount = 64
	// maxPerShard bounds the memory that made-up names of patterns can take.
	maxPerShard = 4096
)

// shard is a part of the names.
type shard struct {
	mu      sync.RWMutex
	entries map[string]*entry
}

// entry is what is known of a name.
type entry struct {
	item     atomic.Pointer[Item]
	usedUnix atomic.Int64
	// shard is the number of the part that has the name.
	shard uint8

	mu sync.Mutex
	// epoch grows when an address is told or forgotten, so that an answer to an older question is not taken.
	epoch  uint64
	flight *flight
}

// Item is an answer and how long it counts. It is immutable, but for the text of its addresses.
type Item struct {
	addrs []netip.Addr
	ttl   time.Duration
	// verified is when the DNS said so.
	verified time.Time
	// expires is when it is asked for again; forgotten answers have expired at once.
	expires time.Time
	// mustAsk forbids using the answer before the DNS was asked again and failed.
	mustAsk bool
	// failing marks the last known addresses of a name that the DNS gave no answer for: nobody waits for the next try.
	failing bool
	err     error

	dials atomic.Pointer[dials]
}

// dials are the addresses as text with a port that was asked for: mostly an instance has one. It is immutable.
type dials struct {
	port  uint16
	texts []string
	next  *dials
}

// maxDialPorts bounds the ports that are kept for an answer.
const maxDialPorts = 4

// seed is of the hash that chooses shards.
var seed = maphash.MakeSeed()

func (r *Resolver) entry(instance string) *entry {
	number := maphash.String(seed, instance) % shardCount
	s := &r.shards[number]
	s.mu.RLock()
	e := s.entries[instance]
	s.mu.RUnlock()
	if e != nil {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[instance]; e != nil {
		return e
	}
	if len(s.entries) >= maxPerShard {
		s.evict()
	}
	e = &entry{shard: uint8(number)}
	if item := r.told.item(instance, r.minTTL); item != nil {
		e.item.Store(item)
	}
	s.entries[strings.Clone(instance)] = e
	return e
}

// evict drops one of a few entries taken at random: one without an address, else the one unused for longest.
func (s *shard) evict() {
	var victim string
	oldest := int64(0)
	looked := 0
	for name, e := range s.entries {
		if item := e.item.Load(); item == nil || len(item.addrs) == 0 {
			victim = name
			break
		}
		if used := e.usedUnix.Load(); looked == 0 || used < oldest {
			victim, oldest = name, used
		}
		if looked++; looked == 8 {
			break
		}
	}
	delete(s.entries, victim)
}

func (s *shard) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		item := e.item.Load()
		idle := now.Unix() - e.usedUnix.Load()
		without := item == nil || len(item.addrs) == 0
		if idle > int64(idleFor/time.Second) || without && idle > 10 && (item == nil || now.After(item.expires)) {
			delete(s.entries, name)
		}
	}
}

// Addrs are the addresses; none when there is an error.
func (item *Item) Addrs() []netip.Addr { return item.addrs }

// Err says why there are no addresses: ErrNoAddress, ErrNoAnswer, or that of the DNS.
func (item *Item) Err() error { return item.err }

// Dials are the addresses as ip:port.
func (item *Item) Dials(port uint16) []string {
	first := item.dials.Load()
	kept := 0
	for d := first; d != nil; d = d.next {
		if d.port == port {
			return d.texts
		}
		kept++
	}
	d := &dials{port: port, texts: make([]string, len(item.addrs))}
	if kept < maxDialPorts {
		d.next = first
	}
	for i, addr := range item.addrs {
		d.texts[i] = netip.AddrPortFrom(addr, port).String()
	}
	item.dials.Store(d)
	return d.texts
}
