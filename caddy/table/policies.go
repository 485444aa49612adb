package table

import "fmt"

// DemandPolicies refuses rows that name a policy which is not known.
func (r *Rows) DemandPolicies(known func(policy string) bool) {
	for _, row := range r.rows {
		if row.policy == "" {
			continue
		}
		is, asked := r.policies[row.policy]
		if !asked {
			is = known(row.policy)
			r.policies[row.policy] = is
		}
		if !is {
			r.problems = append(r.problems, Problem{row.id, fmt.Sprintf("policy %q is not there", row.policy)})
		}
	}
}

// Refuse adds what is wrong with the change beside its rows.
func (r *Rows) Refuse(problems ...Problem) { r.problems = append(r.problems, problems...) }

// Left are the policies whose last row the change took away, once it is made.
func (r *Rows) Left() []string { return r.left }

func (r *Rows) ready() {
	if r.Ready != nil {
		r.Ready()
	}
}

// Names tells whether a row names a policy.
func (t *Table) Names(policy string) bool {
	t.write.Lock()
	defer t.write.Unlock()
	return t.named[policy] > 0
}

// name counts rows that come and go, and returns the policies that no row names any more.
func (t *Table) name(come []*Row, gone map[*Row]bool) (left []string) {
	if t.named == nil {
		t.named = make(map[string]int)
	}
	for _, row := range come {
		t.named[row.policy]++
	}
	for row := range gone {
		if t.named[row.policy]--; t.named[row.policy] == 0 {
			delete(t.named, row.policy)
			left = append(left, row.policy)
		}
	}
	return left
}

// nameOnly counts rows that take the place of all there were.
func (t *Table) nameOnly(rows map[string]*Row) (left []string) {
	before := t.named
	t.named = make(map[string]int)
	for _, row := range rows {
		t.named[row.policy]++
	}
	for policy := range before {
		if t.named[policy] == 0 {
			left = append(left, policy)
		}
	}
	return left
}
