package targets

import "gatewright.dev/caddy/balance"

// Choose returns the index of an address, of which there is at least one: the first for the policy "first", any for
// "random", that with the fewest requests or connections of the pool for "least_conn"; for others the one that a key
// stands for, and without a key the next in turn.
func (f *Field) Choose(policy, key string, pool *Pool) int {
	switch {
	case policy == "first" || len(f.List) == 1:
		return 0
	case policy == "random":
		return balance.Random(f.groups)
	case policy == "least_conn":
		return pool.least(f)
	case key != "":
		return balance.ByHash(key, f.groups, f.target, f.Identity)
	}
	return pool.turns.Next(f.groups)
}

// Sure returns the index of the address that Choose would take, where that does not hang on whose turn it is.
func (f *Field) Sure(policy, key string) (index int, sure bool) {
	if len(f.List) != 1 && policy != "first" && (policy == "random" || policy == "least_conn" || key == "") {
		return 0, false
	}
	return f.Choose(policy, key, nil), true
}

// Target is the number of the target that an address is of, and its name.
func (f *Field) Target(i int) (number int, name string) {
	group := f.List[i].group
	return f.groups[group].Target, f.origins[group].name
}

// Origin is where an address comes from.
func (f *Field) Origin(i int) Origin { return f.origins[f.List[i].group] }

// Identity is what clients are kept at: of an instance its name, so that it keeps them when it moves.
func (f *Field) Identity(i int) string {
	if from := &f.origins[f.List[i].group]; from.instance {
		return from.name
	}
	return f.List[i].Dial
}

// target stands for a group.
func (f *Field) target(g int) string {
	if name := f.origins[g].name; name != "" {
		return name
	}
	return f.List[f.groups[g].From].Dial
}
