package upstreams

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/targets"
)

// poolIdleFor is how long the pool of a row is kept after its last request.
const poolIdleFor = 10 * time.Minute

// rowPool is the pool of a row. It belongs to the process, so that no reload forgets whose turn it is, how many requests an
// address has, and which address has failed.
type rowPool struct {
	targets.Pool
	usedUnix atomic.Int64
}

var (
	pools sync.Map // row id → *rowPool
	// poolsSwept is when idle ones were looked for.
	poolsSwept atomic.Int64
)

// poolOf is the pool of a row.
func poolOf(row string) *targets.Pool {
	now := time.Now().Unix()
	known, ok := pools.Load(row)
	if !ok {
		sweepPools(now)
		added := &rowPool{}
		added.usedUnix.Store(now)
		known, _ = pools.LoadOrStore(strings.Clone(row), added)
	}
	p := known.(*rowPool)
	if p.usedUnix.Load() != now {
		p.usedUnix.Store(now)
	}
	return &p.Pool
}

// sweepPools drops idle ones, once a minute at the most.
func sweepPools(now int64) {
	if swept := poolsSwept.Load(); now-swept < 60 || !poolsSwept.CompareAndSwap(swept, now) {
		return
	}
	pools.Range(func(row, known any) bool {
		if p := known.(*rowPool); now-p.usedUnix.Load() > int64(poolIdleFor/time.Second) && p.Idle() {
			pools.Delete(row)
		}
		return true
	})
}
