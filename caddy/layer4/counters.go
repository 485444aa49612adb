package layer4

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/table"
)

// maxAddresses bounds the addresses that are remembered of one rule; made-up names of a pattern may have many.
const maxAddresses = 1024

// rules are the counters of this process by the id of the row, so that a reload forgets none.
var rules sync.Map // string → *rule

// rule is what is counted of a row.
type rule struct {
	active, total, failed, refused atomic.Uint64
	// received came from clients, sent went to them.
	received, sent atomic.Uint64
	turns          balance.Turns

	mu        sync.Mutex
	lastError string
	lastAt    time.Time
	addresses map[netip.AddrPort]*address
}

// address is what is known of one address of a rule's targets.
type address struct {
	active atomic.Int64

	mu        sync.Mutex
	fails     []time.Time
	lastError string
	reachable bool
	tried     time.Time
}

func ruleOf(id string) *rule {
	if item, ok := rules.Load(id); ok {
		return item.(*rule)
	}
	item, _ := rules.LoadOrStore(id, &rule{addresses: make(map[netip.AddrPort]*address)})
	return item.(*rule)
}

func (r *rule) address(at netip.AddrPort) *address {
	r.mu.Lock()
	defer r.mu.Unlock()
	if item := r.addresses[at]; item != nil {
		return item
	}
	if len(r.addresses) >= maxAddresses {
		for other, item := range r.addresses {
			if item.active.Load() == 0 {
				delete(r.addresses, other)
				break
			}
		}
	}
	item := &address{}
	r.addresses[at] = item
	return item
}

func (r *rule) fail(err error) {
	r.failed.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastError, r.lastAt = err.Error(), time.Now()
}

// enter counts a connection to the address, unless it has as many as it takes.
func (a *address) enter(limit int64) bool {
	if now := a.active.Add(1); limit > 0 && now > limit {
		a.active.Add(-1)
		return false
	}
	return true
}

func (a *address) succeed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fails, a.lastError, a.reachable, a.tried = nil, "", true, time.Now()
}

func (a *address) fail(err error, s *table.Layer4) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastError, a.reachable, a.tried = err.Error(), false, time.Now()
	if most := int(maxFails(s)); len(a.fails) >= most {
		a.fails = a.fails[len(a.fails)-most+1:]
	}
	a.fails = append(a.fails, a.tried)
}

// failing tells whether so many connections have failed lately that others are tried first.
func (a *address) failing(s *table.Layer4) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.fails)) >= maxFails(s) && time.Since(a.fails[0]) < failDuration(s)
}

func maxFails(s *table.Layer4) int64 { return max(s.MaxFails, 1) }

func failDuration(s *table.Layer4) time.Duration {
	if s.FailDurationMS > 0 {
		return time.Duration(s.FailDurationMS) * time.Millisecond
	}
	return 30 * time.Second
}
