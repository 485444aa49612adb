package balance

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// groupsOf are targets with as many addresses each as the pairs say, and their weights.
func groupsOf(addressesAndWeights ...[2]int) (groups []Group) {
	at := 0
	for i, one := range addressesAndWeights {
		groups = append(groups, Group{From: at, To: at + one[0], Target: i, Weight: one[1]})
		at += one[0]
	}
	return groups
}

// order is what was chosen in so many turns.
func order(turns int, choose func() int) (chosen []int) {
	for range turns {
		chosen = append(chosen, choose())
	}
	return chosen
}

func TestTurnsOfTargetsAndAddresses(t *testing.T) {
	for _, c := range []struct {
		groups []Group
		want   string
	}{
		{groupsOf([2]int{1, 1}), "[0 0 0 0 0 0]"},
		{groupsOf([2]int{3, 7}), "[0 1 2 0 1 2]"},
		{groupsOf([2]int{1, 1}, [2]int{1, 1}), "[0 1 0 1 0 1]"},
		// nginx gives a a b a c a a to weights of 5, 1 and 1.
		{groupsOf([2]int{1, 5}, [2]int{1, 1}, [2]int{1, 1}), "[0 0 1 0 2 0 0 0 0 1 0 2 0 0]"},
		{groupsOf([2]int{1, 3}, [2]int{1, 1}), "[0 0 1 0 0 0 1 0]"},
		{groupsOf([2]int{2, 1}, [2]int{1, 1}), "[0 2 1 2 0 2 1 2]"},
	} {
		var turns Turns
		got := order(len(c.want)/2, func() int { return turns.Next(c.groups) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v: got %v, want %s", c.groups, got, c.want)
		}
	}
}

// What a target has to its credit from weights of before does not give it all turns until it has caught up.
func TestCreditsHaveBounds(t *testing.T) {
	for _, weights := range [][2]int{{1000, 1}, {1, 1000}} {
		var turns Turns
		before, after := groupsOf([2]int{1, weights[0]}, [2]int{1, weights[1]}), groupsOf([2]int{1, 1}, [2]int{1, 1})
		order(500, func() int { return turns.Next(before) })
		first := 0
		for _, at := range order(20, func() int { return turns.Next(after) }) {
			first += 1 - at
		}
		if first < 8 || first > 12 {
			t.Errorf("after weights of %v the first had %d of 20 turns", weights, first)
		}
	}
}

func TestLeastTakesTheSmallestLoadForItsWeight(t *testing.T) {
	for name, c := range map[string]struct {
		groups []Group
		loads  []int
		want   string
	}{
		"one":                               {groupsOf([2]int{1, 1}), []int{5}, "[0 0 0]"},
		"the idle one":                      {groupsOf([2]int{3, 1}), []int{2, 0, 1}, "[1 1 1]"},
		"equals in turn":                    {groupsOf([2]int{3, 1}), []int{1, 1, 1}, "[0 1 2 0 1]"},
		"equals in turn, beside others":     {groupsOf([2]int{4, 1}), []int{1, 9, 9, 1}, "[0 3 3 3 0]"},
		"the heavier":                       {groupsOf([2]int{1, 1}, [2]int{1, 3}), []int{1, 4}, "[1 1 1]"},
		"no longer the heavier":             {groupsOf([2]int{1, 1}, [2]int{1, 3}), []int{1, 6}, "[0 0 0]"},
		"weights of many addresses":         {groupsOf([2]int{4, 4}, [2]int{1, 2}), []int{1, 1, 1, 1, 2}, "[4 4 4]"},
		"weights of many addresses, loaded": {groupsOf([2]int{4, 2}, [2]int{1, 1}), []int{0, 1, 1, 1, 2}, "[0 0 0]"},
		"equals of two targets in turn":     {groupsOf([2]int{2, 2}, [2]int{1, 1}), []int{0, 0, 0}, "[0 1 2 0]"},
	} {
		var turns Turns
		got := order(len(c.want)/2, func() int { return turns.Least(c.groups, func(i int) int { return c.loads[i] }) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
}

// shares counts what was chosen, and compares it with parts of all; slack is five standard deviations.
func shares(t *testing.T, what string, n int, choose func(i int) int, want map[int]float64) {
	t.Helper()
	counts := make(map[int]int)
	for i := range n {
		counts[choose(i)]++
	}
	for at := range counts {
		if want[at] == 0 {
			t.Errorf("%s: %d was chosen %d times", what, at, counts[at])
		}
	}
	for at, part := range want {
		if got := float64(counts[at]) / float64(n); math.Abs(got-part) > 5*math.Sqrt(part*(1-part)/float64(n)) {
			t.Errorf("%s: %d has %.3f, want %.3f", what, at, got, part)
		}
	}
}

func TestSharesFollowWeights(t *testing.T) {
	name := func(kind string) func(i int) string { return func(i int) string { return fmt.Sprint(kind, "-", i) } }
	for _, c := range []struct {
		groups []Group
		want   map[int]float64
	}{
		{groupsOf([2]int{1, 4}), map[int]float64{0: 1}},
		{groupsOf([2]int{4, 1}), map[int]float64{0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25}},
		{groupsOf([2]int{1, 1}, [2]int{1, 3}), map[int]float64{0: 0.25, 1: 0.75}},
		{groupsOf([2]int{2, 6}, [2]int{1, 1}, [2]int{3, 3}), map[int]float64{0: 0.3, 1: 0.3, 2: 0.1, 3: 0.1, 4: 0.1, 5: 0.1}},
	} {
		const n = 20_000
		shares(t, fmt.Sprint("random ", c.groups), n, func(int) int { return Random(c.groups) }, c.want)
		shares(t, fmt.Sprint("hash ", c.groups), n, func(i int) int {
			return ByHash(fmt.Sprint("198.18.", i/256, ".", i%256), c.groups, name("target"), name("10.0.0"))
		}, c.want)
	}
}

// Which address a key has does not depend on where that address stands, nor on the process: a restart moves no client.
func TestHashesStay(t *testing.T) {
	addresses := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"}
	targets := []string{"a", "b", "c"}
	back := slices.Clone(addresses)
	slices.Reverse(back)
	at := func(list []string) func(int) string { return func(i int) string { return list[i] } }
	apart := groupsOf([2]int{1, 2}, [2]int{1, 1}, [2]int{1, 1})
	for i, want := range []string{
		"10.0.0.2:80 a", "10.0.0.3:80 c", "10.0.0.1:80 a", "10.0.0.3:80 b", "10.0.0.1:80 a", "10.0.0.3:80 a",
	} {
		key := fmt.Sprint("192.0.2.", i)
		one := addresses[ByHash(key, groupsOf([2]int{4, 1}), nil, at(addresses))]
		if other := back[ByHash(key, groupsOf([2]int{4, 1}), nil, at(back))]; other != one {
			t.Errorf("%s is at %s or %s", key, one, other)
		}
		if got := one + " " + targets[ByHash(key, apart, at(targets), at(addresses))]; got != want {
			t.Errorf("%s is at %s, want %s", key, got, want)
		}
	}
}
