package layer4

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// rules are the counters of this process by the id of the row, so that a reload forgets none.
var rules sync.Map // string → *rule

// rule is what is counted of a row.
type rule struct {
	active, total, failed, refused atomic.Uint64
	// received came from clients, sent went to them.
	received, sent atomic.Uint64
	pool           targets.Pool

	mu        sync.Mutex
	lastError string
	lastAt    time.Time
}

func ruleOf(id string) *rule {
	if item, ok := rules.Load(id); ok {
		return item.(*rule)
	}
	item, _ := rules.LoadOrStore(id, &rule{})
	return item.(*rule)
}

func (r *rule) fail(err error) {
	r.failed.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastError, r.lastAt = err.Error(), time.Now()
}

// passiveOf says when addresses of a row are failing.
func passiveOf(s *table.Layer4) *targets.Passive {
	passive := &targets.Passive{
		MaxFails: int(max(s.MaxFails, 0)), FailDuration: caddy.Duration(time.Duration(max(s.FailDurationMS, 0)) * time.Millisecond),
	}
	_ = passive.Provision()
	return passive
}
