// Package refusals counts the requests that policies turn away, by rule and status.
package refusals

import (
	"sync"
	"sync/atomic"
)

// maxRules bounds the memory: refusals of rules beyond it are counted together, under "".
const maxRules = 100_000

// statuses are the ones that policies refuse with; others are counted as the last, 0.
var statuses = [...]int{401, 403, 413, 429, 503, 0}

type counters [len(statuses)]atomic.Uint64

// Counts are refusals by rule. They live as long as the process, so that a reload forgets none.
type Counts struct {
	rules sync.Map // rule → *counters
	size  atomic.Int64
}

// All are the counts of this process.
var All Counts

// Add counts one refusal.
func (c *Counts) Add(rule string, status int) {
	c.of(rule)[slot(status)].Add(1)
}

func slot(status int) int {
	for i, known := range statuses {
		if known == status {
			return i
		}
	}
	return len(statuses) - 1
}

func (c *Counts) of(rule string) *counters {
	if known, ok := c.rules.Load(rule); ok {
		return known.(*counters)
	}
	if c.size.Load() >= maxRules {
		rule = ""
	}
	known, loaded := c.rules.LoadOrStore(rule, new(counters))
	if !loaded {
		c.size.Add(1)
	}
	return known.(*counters)
}

// Read tells the counts: rule → status → how many. Statuses without a refusal are left out.
func (c *Counts) Read() map[string]map[int]uint64 {
	all := make(map[string]map[int]uint64)
	c.rules.Range(func(rule, value any) bool {
		counts := make(map[int]uint64)
		for i := range statuses {
			if n := value.(*counters)[i].Load(); n > 0 {
				counts[statuses[i]] = n
			}
		}
		all[rule.(string)] = counts
		return true
	})
	return all
}

// Keep forgets rules that do not exist any more.
func (c *Counts) Keep(exists func(rule string) bool) {
	c.rules.Range(func(rule, _ any) bool {
		if rule != "" && !exists(rule.(string)) {
			if _, loaded := c.rules.LoadAndDelete(rule); loaded {
				c.size.Add(-1)
			}
		}
		return true
	})
}
