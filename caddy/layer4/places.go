package layer4

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"gatewright.dev/caddy/metrics"
)

// The counts of a rule that have series.
const (
	countActive = iota
	countTotal
	countFailed
	countRefused
	countReceived
	countSent
	countSeconds
	countsOfRule
)

type counts [countsOfRule]float64

func (c *counts) add(other *counts, sign float64) {
	for i := range c {
		c[i] += sign * other[i]
	}
}

// told is what is told of a rule, or of all that have no series of their own.
type told struct {
	ingress, rule string
	counts        counts
}

// places are the rules with series of their own. A rule that has a place keeps it, and what was counted before it had one
// stays with the others: a series that went down would be taken for a restart.
type places struct {
	mu sync.Mutex
	// before are those that have a place, with what had been told under Other by then.
	before map[string]counts
	// without are those that have none, with what is told of them under Other.
	without map[string]counts
	// gone is what is told under Other of rules that are no more.
	gone counts
}

var ruleSeries places

// tell returns the counts of as many rules as there are places, of which the busiest get those that are free, and those of
// all others together.
func (p *places) tell(most int) []told {
	all := make(map[string]told)
	eachRule(func(id string, of *rule) {
		// One that was looked at, and had no connection yet, has none.
		if ingress := of.ingress.Load(); ingress != nil {
			_, number, _ := strings.Cut(id, "/")
			all[id] = told{*ingress, number, of.counts()}
		}
	})
	return p.share(all, most)
}

func (p *places) share(all map[string]told, most int) []told {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.before == nil {
		p.before, p.without = make(map[string]counts), make(map[string]counts)
	}
	p.forget(all)
	p.give(all, most)
	list := make([]told, 0, len(p.before)+1)
	other := told{ingress: metrics.Other, rule: metrics.Other, counts: p.gone}
	for id, of := range all {
		before, named := p.before[id]
		if !named {
			p.without[id] = of.counts
			other.counts.add(&of.counts, 1)
			continue
		}
		of.counts.add(&before, -1)
		other.counts.add(&before, 1)
		list = append(list, of)
	}
	if other.counts != (counts{}) || len(p.without) > 0 {
		list = append(list, other)
	}
	return list
}

// forget takes the places of rules that are no more.
func (p *places) forget(all map[string]told) {
	for _, kept := range []map[string]counts{p.before, p.without} {
		for id, under := range kept {
			if _, exists := all[id]; !exists {
				under[countActive] = 0
				p.gone.add(&under, 1)
				delete(kept, id)
			}
		}
	}
}

// give gives free places to the busiest rules without one. Where there are fewer places than before, none is taken away.
func (p *places) give(all map[string]told, most int) {
	free := most - len(p.before)
	if free <= 0 {
		return
	}
	var waiting []string
	for id := range all {
		if _, named := p.before[id]; !named {
			waiting = append(waiting, id)
		}
	}
	slices.SortFunc(waiting, func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].counts[countTotal], all[a].counts[countTotal]), cmp.Compare(a, b))
	})
	for _, id := range waiting[:min(free, len(waiting))] {
		before := p.without[id]
		before[countActive] = 0
		p.before[id] = before
		delete(p.without, id)
	}
}

// counts are those of a rule now.
func (r *rule) counts() (c counts) {
	c[countActive], c[countTotal] = float64(r.active.Load()), float64(r.total.Load())
	c[countFailed], c[countRefused] = float64(r.failed.Load()), float64(r.refused.Load())
	c[countReceived], c[countSent] = float64(r.received.Load()), float64(r.sent.Load())
	c[countSeconds] = time.Duration(r.open.Load()).Seconds()
	return c
}
