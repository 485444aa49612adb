package main

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
)

// names makes names from a pattern: each `%d` becomes the same number, from 0 to count-1.
type names struct {
	parts []string
	count int
}

func newNames(pattern string, count int) names {
	return names{strings.Split(pattern, "%d"), max(count, 1)}
}

// append appends the name of a number.
func (n names) append(to []byte, number int) []byte {
	for i, part := range n.parts {
		if i > 0 {
			to = strconv.AppendInt(to, int64(number), 10)
		}
		to = append(to, part...)
	}
	return to
}

// chooser says which number is next.
type chooser func() int

// choosers makes a chooser for each worker: random by seed, or all numbers in turn over all workers.
func (n names) choosers(seed uint64, inTurn bool) func(worker int) chooser {
	var turn atomic.Int64
	return func(worker int) chooser {
		if inTurn {
			return func() int { return int(turn.Add(1)-1) % n.count }
		}
		random := rand.New(rand.NewPCG(seed, uint64(worker)))
		return func() int { return random.IntN(n.count) }
	}
}
