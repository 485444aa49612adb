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

// Most is how many ingresses have series of their own: the busiest. The others are counted together, as Other.
type Most struct {
	// Ingresses have counters, and Histograms of them have histograms too, each of which is many series.
	Ingresses, Histograms int
}

// addable counts something, and adds what another has counted, multiplied by 1 or -1.
type addable[T any] interface {
	*T
	add(other *T, sign int64)
}

// place is that of an ingress among those with series of their own of a kind: counters, or histograms. It belongs to the
// gatherer.
type place[T any, P addable[T]] struct {
	// named tells that the ingress has series of its own, and told that it was counted in a series before.
	named, told bool
	// rest is what has been counted under the other label than the present one: of an ingress with series of its own what
	// is in those of Other, and of one without what was in its own when it last had some.
	rest P
}

// move gives the place, or takes it, of an ingress of which this much was counted.
func (p *place[T, P]) move(named bool, all P) {
	// What was in no series yet can be in any.
	if p.told {
		p.rest = p.switched(all)
	}
	p.named = named
}

// switched is what has been counted under the present label.
func (p *place[T, P]) switched(all P) P {
	present := P(new(T))
	present.add(all, 1)
	if p.rest != nil {
		present.add(p.rest, -1)
	}
	return present
}

// tell adds what was counted to the ingress's own series and to those of the others, each what is in it.
func (p *place[T, P]) tell(all, own, other P) {
	p.told = true
	at, elsewhere := other, own
	if p.named {
		at, elsewhere = own, other
	}
	at.add(all, 1)
	if p.rest != nil {
		at.add(p.rest, -1)
		elsewhere.add(p.rest, 1)
	}
}

// leave adds what is in the series of the others to what is left of ingresses that are gone.
func (p *place[T, P]) leave(all, gone P) {
	var own T
	p.tell(all, &own, gone)
}

// business is how busy an ingress is.
type business struct {
	// score are its requests, each of half the weight a minute later. seen are those counted in.
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

// told are the counts of a label; timed tells that its histograms are in series of its own too.
type told struct {
	label  string
	active int64
	timed  bool
	counts counts
}

const (
	// halfLife is the time in which a request loses half of its weight.
	halfLife = time.Minute
	// busier is how much busier an ingress must be than one with a place to take it: places that went to and fro would end
	// series at each scrape.
	busier = 2
)

// gather returns the counts of the busiest ingresses by name, and those of the others as the last; nil when there is none.
func (g *gatherer) gather(most Most, now time.Time) []told {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forget()
	all := g.score(now)
	share(all, most)
	list := make([]told, 0, min(most.Ingresses, len(all))+1)
	other := told{label: Other, timed: true}
	other.counts.add(&g.gone, 1)
	other.counts.times.add(&g.gone.times, 1)
	for _, i := range all {
		if own := i.tell(&other); own.label != "" {
			list = append(list, own)
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
				i.counters.leave(&record.counts, &g.gone)
				i.histograms.leave(&record.counts.times, &g.gone.times)
				i.leave(record)
				i.gone = true
				i.dropRing()
			}
			i.mu.Unlock()
		}
		s.mu.Unlock()
	}
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
		i.business.score = i.business.score*weight + float64(i.requests-i.business.seen)
		i.business.seen = i.requests
		all = append(all, i)
	})
	return all
}

// share gives places to the busiest, and takes them from those that are much less busy.
func share(all []*Ingress, most Most) {
	named := busiest(all, most.Ingresses, func(i *Ingress) bool { return i.counters.named })
	timed := busiest(all, min(most.Ingresses, most.Histograms), func(i *Ingress) bool { return i.histograms.named })
	for _, i := range all {
		// Who has the histograms of an ingress has its counters too.
		isNamed, isTimed := named[i], named[i] && timed[i]
		if i.counters.named == isNamed && i.histograms.named == isTimed {
			continue
		}
		i.mu.Lock()
		record := i.open()
		if i.counters.named != isNamed {
			i.counters.move(isNamed, &record.counts)
		}
		if i.histograms.named != isTimed {
			i.histograms.move(isTimed, &record.counts.times)
		}
		i.leave(record)
		i.mu.Unlock()
	}
}

// busiest are those with the greatest weights, and of equal ones the first by name.
func busiest(all []*Ingress, places int, has func(*Ingress) bool) map[*Ingress]bool {
	weights := make([]float64, len(all))
	for at, i := range all {
		weights[at] = i.business.weight(has(i))
	}
	named := make(map[*Ingress]bool, min(places, len(all)))
	var equal []*Ingress
	least := leastOf(weights, places)
	for at, i := range all {
		switch {
		case weights[at] > least:
			named[i] = true
		case weights[at] == least:
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
func leastOf(weights []float64, places int) float64 {
	if len(weights) <= places {
		return -1
	}
	if places == 0 {
		return math.Inf(1)
	}
	sorted := slices.Sorted(slices.Values(weights))
	return sorted[len(sorted)-places]
}

// weight is what places are shared out by.
func (b *business) weight(named bool) float64 {
	if named {
		// One that has no traffic any more keeps its place as long as nobody needs it.
		return b.score*busier + 1
	}
	return b.score
}

// tell is what is in the ingress's own series; without a label when it has none. The rest is added to the others'.
func (i *Ingress) tell(other *told) (own told) {
	i.mu.Lock()
	defer i.mu.Unlock()
	record := i.open()
	i.counters.tell(&record.counts, &own.counts, &other.counts)
	i.histograms.tell(&record.counts.times, &own.counts.times, &other.counts.times)
	i.leave(record)
	if !i.counters.named {
		// What was in its own series, when it had some, has ended with them.
		other.active += i.active.Load()
		return told{}
	}
	own.label, own.active, own.timed = i.name, i.active.Load(), i.histograms.named
	return own
}

// late counts an exchange of an ingress that is gone.
func (g *gatherer) late(e *exchange.Exchange, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone.observe(e, r)
}
