package layer4

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// rules are the counters of this process by the id of the row, so that a reload forgets none.
var rules sync.Map // string → *rule

// rule is what is counted of a row.
type rule struct {
	// ingress is the name of the row's; nil before its first connection.
	ingress                        atomic.Pointer[string]
	active, total, failed, refused atomic.Uint64
	// received came from clients, sent went to them.
	received, sent atomic.Uint64
	// open is how long those were open that have ended, in nanoseconds.
	open atomic.Int64
	pool targets.Pool

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

// eachRule visits the rules that there are. What is counted of others is forgotten once their last connection has ended.
func eachRule(visit func(id string, of *rule)) {
	rules.Range(func(key, value any) bool {
		id, of := key.(string), value.(*rule)
		if of.active.Load() == 0 && !app.HostTable().Has(id) {
			rules.Delete(id)
		} else {
			visit(id, of)
		}
		return true
	})
}

// countOf is the rule of a row that has a connection now.
func countOf(row *table.Row) *rule {
	r, name := ruleOf(row.ID()), row.Ingress()
	if known := r.ingress.Load(); known == nil || *known != name {
		r.ingress.Store(&name)
	}
	return r
}

// enter counts a connection until leave is called.
func (r *rule) enter(protocol string) (leave func()) {
	r.total.Add(1)
	r.active.Add(1)
	began := time.Now()
	return func() {
		took := time.Since(began)
		r.active.Add(^uint64(0))
		r.open.Add(int64(took))
		durations.WithLabelValues(protocol).Observe(took.Seconds())
	}
}

func (r *rule) fail(err error) {
	r.failed.Add(1)
	failuresByCause.WithLabelValues(string(failureOf(err))).Inc()
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
