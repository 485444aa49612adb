package layer4

import (
	"iter"
	"slices"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/table"
)

// order gives the candidates in the order in which they are to be tried: by the row's policy, those that failed lately
// behind the others. Each is chosen when it is asked for, since mostly the first takes the connection.
func (p *dialer) order(found []candidate, client string) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		well, failing := split(found)
		for _, list := range [][]candidate{well, failing} {
			for len(list) > 0 {
				at := choose(p.row.Layer4(), &p.rule.turns, list, client)
				chosen := list[at]
				// Within its target's group, so that groups stay in one piece.
				list = slices.Delete(list, at, at+1)
				if !yield(chosen) {
					return
				}
			}
		}
	}
}

// split copies the candidates into those that did not fail lately and those that did.
func split(found []candidate) (well, failing []candidate) {
	for _, c := range found {
		if c.failing {
			failing = append(failing, c)
		} else {
			well = append(well, c)
		}
	}
	return well, failing
}

// choose returns the index of a candidate, of which there is at least one.
func choose(s *table.Layer4, turns *balance.Turns, list []candidate, client string) int {
	if len(list) == 1 {
		return 0
	}
	groups := groupsOf(list)
	switch s.Policy {
	case "first":
		return 0
	case "random":
		return balance.Random(groups)
	case "least_conn":
		return turns.Least(groups, func(i int) int { return int(list[i].item.active.Load()) })
	case "ip_hash":
		return balance.ByHash(client, groups,
			func(g int) string { return list[groups[g].From].name },
			func(i int) string { return list[i].id })
	}
	return turns.Next(groups)
}

// groupsOf are the targets of candidates.
func groupsOf(list []candidate) (groups []balance.Group) {
	for i, c := range list {
		if i == 0 || list[i-1].target != c.target {
			groups = append(groups, balance.Group{From: i, Target: c.target, Weight: c.weight})
		}
		groups[len(groups)-1].To = i + 1
	}
	return groups
}
