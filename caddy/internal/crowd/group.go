package crowd

import (
	"container/list"
	"net/netip"
)

// group are connections that wait, or groups of these, ranked by how many they are. Finding the oldest connection of
// the biggest takes the same time for any number of them. The zero value is empty.
type group struct {
	size int
	// places are the connections of a group without parts, the oldest first.
	places list.List // of *Place

	key    netip.Prefix
	within *group
	rank   *list.Element // in within.bySize[size]

	parts map[netip.Prefix]*group
	// bySize has the parts of each size, the one that came to it first in front.
	bySize map[int]*list.List // of *group
	// biggest is the greatest size of a part.
	biggest int
}

// part is the part with a key. An empty one is forgotten when it has not grown.
func (g *group) part(key netip.Prefix) *group {
	if known := g.parts[key]; known != nil {
		return known
	}
	return &group{key: key, within: g}
}

// grow notes a connection more or less.
func (g *group) grow(by int) {
	for at := g; at != nil; at = at.within {
		was := at.size
		at.size += by
		if at.within != nil {
			at.within.move(at, was)
		}
	}
}

// move ranks a part whose size has changed by one.
func (g *group) move(part *group, was int) {
	if g.parts == nil {
		g.parts, g.bySize = make(map[netip.Prefix]*group), make(map[int]*list.List)
	}
	if was > 0 {
		g.bySize[was].Remove(part.rank)
		if g.bySize[was].Len() == 0 {
			delete(g.bySize, was)
		}
	}
	if part.size == 0 {
		delete(g.parts, part.key)
	} else {
		g.parts[part.key] = part
		if g.bySize[part.size] == nil {
			g.bySize[part.size] = new(list.List)
		}
		part.rank = g.bySize[part.size].PushBack(part)
	}
	if part.size > g.biggest || g.bySize[g.biggest] == nil {
		g.biggest = part.size
	}
}

// oldest is the first connection of the biggest part; nil where there is none.
func (g *group) oldest() *Place {
	for g.biggest > 0 {
		g = g.bySize[g.biggest].Front().Value.(*group)
	}
	if first := g.places.Front(); first != nil {
		return first.Value.(*Place)
	}
	return nil
}
