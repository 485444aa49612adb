package metrics

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"gatewright.dev/caddy/exchange"
)

// Ingresses says which ingresses there are: their names by their ids. The app sets it.
var Ingresses = func() map[string]string { return nil }

// NameOf is the name of a row's ingress; "" when there is none.
func NameOf(row string) string { return Ingresses()[idOf(row)] }

// place is what the series of an ingress need of it beside its counts. It belongs to the gatherer.
type place struct {
	// named tells that the ingress has series of its own, and told that it was counted in a series before.
	named, told bool
	// rest is what has been counted under the other label than the present one: of an ingress with series of its own what
	// is in those of Other, and of one without what was in its own when it last had some.
	rest *counts
	// score is how busy the ingress is: its requests, each of half the weight a minute later. seen are those counted in.
	score float64
	seen  uint64
}

// gatherer shares out the places of ingresses with series of their own.
//
// No series decreases: what was told of an ingress while it had none of its own stays in those of Other for good, and its own
// begin with what is counted from then on, or go on where they ended when it had some before. So the sum over all series
// is what was counted in all, but for ingresses that are gone, whose own series end with them.
type gatherer struct {
	mu   sync.Mutex
	last time.Time
	// gone is what is left in the series of Other of ingresses that are no more.
	gone counts
}

var gathering gatherer

// told are the counts of a label.
type told struct {
	label  string
	active int64
	counts counts
}

const (
	// halfLife is the time in which a request loses half of its weight.
	halfLife = time.Minute
	// busier is how much busier an ingress must be than one with a place to take it: places that went to and fro would end
	// series at each scrape.
	busier = 2
)

// gather returns the counts of so many ingresses by name, and those of the others as the last; nil when there is none.
func (g *gatherer) gather(ingresses int, now time.Time) []told {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	all := g.score(now)
	share(all, ingresses)
	list := make([]told, 0, min(ingresses, len(all))+1)
	other := told{label: Other}
	other.counts.add(&g.gone, 1)
	for _, i := range all {
		i.place.told = true
		if i.place.named {
			list = append(list, i.tell(&other))
		} else {
			i.addTo(&other)
		}
	}
	slices.SortFunc(list, func(a, b told) int { return cmp.Compare(a.label, b.label) })
	if !other.counts.empty() {
		list = append(list, other)
	}
	return list
}

// forget forgets ingresses that are gone, and learns the names of others.
func (g *gatherer) forget() {
	names := Ingresses()
	if names == nil {
		return
	}
	for at := range shards {
		s := &shards[at]
		s.mu.Lock()
		for id, i := range s.by {
			name, exists := names[id]
			i.mu.Lock()
			if exists {
				i.name = name
			} else {
				delete(s.by, id)
				record := i.open()
				if rest := i.place.others(&record.counts); rest != nil {
					g.gone.add(rest, 1)
				}
				i.leave(record)
				i.gone = true
				i.dropRing()
			}
			i.mu.Unlock()
		}
		s.mu.Unlock()
	}
}

// others is what of the counts is in the series of Other; nil for nothing.
func (p *place) others(all *counts) *counts {
	if p.named {
		return p.rest
	}
	return p.switched(all)
}

// switched is what has been counted under the present label.
func (p *place) switched(all *counts) *counts {
	present := &counts{}
	present.add(all, 1)
	if p.rest != nil {
		present.add(p.rest, -1)
	}
	return present
}

// score tells how busy all are.
func (g *gatherer) score(now time.Time) []*Ingress {
	weight := 0.0
	if !g.last.IsZero() {
		weight = math.Exp2(-float64(now.Sub(g.last)) / float64(halfLife))
	}
	g.last = now
	var all []*Ingress
	each(func(_ string, i *Ingress) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.place.score = i.place.score*weight + float64(i.requests-i.place.seen)
		i.place.seen = i.requests
		all = append(all, i)
	})
	return all
}

// share gives places to the busiest, and takes them from those that are much less busy.
func share(all []*Ingress, places int) {
	named := busiest(all, places)
	for _, i := range all {
		if i.place.named == named[i] {
			continue
		}
		i.mu.Lock()
		// What was in no series yet can be in any.
		if i.place.told {
			record := i.open()
			i.place.rest = i.place.switched(&record.counts)
			i.leave(record)
		}
		i.place.named = named[i]
		i.mu.Unlock()
	}
}

// busiest are those with the greatest weights, and of equal ones the first by name.
func busiest(all []*Ingress, places int) map[*Ingress]bool {
	named := make(map[*Ingress]bool, min(places, len(all)))
	var equal []*Ingress
	least := leastOf(all, places)
	for _, i := range all {
		switch weight := i.place.weight(); {
		case weight > least:
			named[i] = true
		case weight == least:
			equal = append(equal, i)
		}
	}
	room := places - len(named)
	if len(equal) > room {
		slices.SortFunc(equal, func(a, b *Ingress) int { return cmp.Compare(a.name, b.name) })
		equal = equal[:room]
	}
	for _, i := range equal {
		named[i] = true
	}
	return named
}

// leastOf is the weight that has a place just so.
func leastOf(all []*Ingress, places int) float64 {
	if len(all) <= places {
		return -1
	}
	if places == 0 {
		return math.Inf(1)
	}
	weights := make([]float64, len(all))
	for at, i := range all {
		weights[at] = i.place.weight()
	}
	slices.Sort(weights)
	return weights[len(weights)-places]
}

// weight is what places are shared out by.
func (p *place) weight() float64 {
	if p.named {
		// One that has no traffic any more keeps its place as long as nobody needs it.
		return p.score*busier + 1
	}
	return p.score
}

// tell is what is in the ingress's own series; what is in those of the others is added to them.
func (i *Ingress) tell(other *told) told {
	i.mu.Lock()
	defer i.mu.Unlock()
	own := told{label: i.name, active: i.active.Load()}
	record := i.open()
	own.counts.add(&record.counts, 1)
	i.leave(record)
	if rest := i.place.rest; rest != nil {
		own.counts.add(rest, -1)
		other.counts.add(rest, 1)
	}
	return own
}

// addTo adds what is counted of an ingress without series of its own to those of the others.
func (i *Ingress) addTo(other *told) {
	i.mu.Lock()
	defer i.mu.Unlock()
	other.active += i.active.Load()
	record := i.open()
	other.counts.add(&record.counts, 1)
	i.leave(record)
	if i.place.rest != nil {
		other.counts.add(i.place.rest, -1)
	}
}

// late counts an exchange of an ingress that is gone.
func (g *gatherer) late(e *exchange.Exchange, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone.observe(e, r)
}
