// Package balance chooses one of several addresses, the same way for requests and for connections of layer 4.
package balance

import (
	"math"
	"math/rand/v2"
	"sync"
)

// Group is a target and where its addresses are in a list of those of all targets. There is at least one.
type Group struct {
	From, To int
	// Target is the target's number in its row.
	Target int
	// Weight is the target's part of all; at least 1.
	Weight int
}

// Turns are whose turn it is among the targets of a row, and among the addresses of each. The zero value is ready for
// use.
type Turns struct {
	mu sync.Mutex
	// credits are those of smooth weighted round robin, by target.
	credits []int
	// turns count what each target's addresses were given.
	turns []uint32
}

// Next chooses the target by smooth weighted round robin (as nginx does), so that turns of a light target are spread
// evenly, and in the target the next address.
func (t *Turns) Next(groups []Group) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &groups[0]
	if len(groups) > 1 {
		g = t.nextGroup(groups)
	}
	return g.From + int(t.turn(g.Target)%uint32(g.To-g.From))
}

// turn counts one more of a target. mu is held.
func (t *Turns) turn(target int) uint32 {
	for len(t.turns) <= target {
		t.turns = append(t.turns, 0)
	}
	t.turns[target]++
	return t.turns[target] - 1
}

func (t *Turns) nextGroup(groups []Group) *Group {
	for len(t.credits) <= groups[len(groups)-1].Target {
		t.credits = append(t.credits, 0)
	}
	total := 0
	best := &groups[0]
	for i := range groups {
		g := &groups[i]
		total += g.Weight
		t.credits[g.Target] += g.Weight
		if t.credits[g.Target] > t.credits[best.Target] {
			best = g
		}
	}
	t.credits[best.Target] -= total
	// A target that was away for long comes back with no more than its share.
	for i := range groups {
		target := groups[i].Target
		t.credits[target] = max(-total, min(total, t.credits[target]))
	}
	return best
}

// Least chooses the address with the smallest load for its part of the target's weight; of equals the next in turn.
func (t *Turns) Least(groups []Group, load func(i int) int) int {
	n := groups[len(groups)-1].To
	t.mu.Lock()
	start := int(t.turn(0) % uint32(n))
	t.mu.Unlock()
	best, lowest := -1, 0.0
	for j := range groups {
		g := &groups[j]
		share := float64(g.Weight) / float64(g.To-g.From)
		for i := g.From; i < g.To; i++ {
			relative := float64(load(i)+1) / share
			if best < 0 || relative < lowest || relative == lowest && after(i, best, start, n) {
				best, lowest = i, relative
			}
		}
	}
	return best
}

// after tells whether i comes before j when counting begins at start.
func after(i, j, start, n int) bool { return (i-start+n)%n < (j-start+n)%n }

// Random chooses the target by weight and any of its addresses.
func Random(groups []Group) int {
	total := 0
	for i := range groups {
		total += groups[i].Weight
	}
	at := rand.IntN(total)
	g := &groups[0]
	for i := range groups {
		if at -= groups[i].Weight; at < 0 {
			g = &groups[i]
			break
		}
	}
	return g.From + rand.IntN(g.To-g.From)
}

// ByHash chooses by weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by Schindelhauer and Schomaker
// 2005): when a target or an address comes or goes, only its own keys move. target and address are what stands for a
// group and for an address.
func ByHash(key string, groups []Group, target func(g int) string, address func(i int) string) int {
	seed := hash64(14695981039346656037, key)
	g, best := 0, math.Inf(-1)
	if len(groups) > 1 {
		for i := range groups {
			h := mix(hash64(seed, target(i)))
			unit := (float64(h>>11) + 0.5) / (1 << 53)
			if score := -float64(groups[i].Weight) / math.Log(unit); score > best {
				g, best = i, score
			}
		}
	}
	index, highest := groups[g].From, uint64(0)
	for i := groups[g].From; i < groups[g].To; i++ {
		if h := mix(hash64(seed, address(i))); h >= highest {
			index, highest = i, h
		}
	}
	return index
}

// hash64 continues an FNV-1a hash. It is the same in every process, so that a restart moves no client.
func hash64(hash uint64, text string) uint64 {
	for i := 0; i < len(text); i++ {
		hash = (hash ^ uint64(text[i])) * 1099511628211
	}
	return hash
}

// mix is the finalizer of MurmurHash3: FNV alone spreads the last bytes badly.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
