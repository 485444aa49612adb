package table

import "unique"

// ManagedName is a name that a certificate is got for, and who signs it.
type ManagedName struct {
	// Subject is the name on the certificate: a host, or a wildcard that the row may share with others.
	Subject string `json:"subject"`
	// Issuer is a key of the app's `authorities`: "acme" or "internal".
	Issuer string `json:"issuer"`
}

// nameHandle makes equal names of rows one in memory. The zero value is no name.
type nameHandle = unique.Handle[ManagedName]

func compileName(from *RowJSON, problem func(string, ...any)) (name nameHandle) {
	if from.ManagedName == nil {
		return name
	}
	if from.ManagedName.Subject == "" || from.ManagedName.Issuer == "" {
		problem("managed_name: subject and issuer must not be empty")
	}
	if !from.TLS && (from.Layer4 == nil || !from.Layer4.Terminate) {
		problem("managed_name: TLS is not ended for this row")
	}
	return unique.Make(*from.ManagedName)
}

// nameCounts tells how many rows have a name.
type nameCounts map[nameHandle]int

func (c nameCounts) add(row *Row, step int) {
	if row.name == (nameHandle{}) {
		return
	}
	if c[row.name] += step; c[row.name] == 0 {
		delete(c, row.name)
	}
}

// without are the names that other counts lack.
func (c nameCounts) without(other nameCounts) (names []ManagedName) {
	for name, rows := range c {
		if rows > 0 && other[name] == 0 {
			names = append(names, name.Value())
		}
	}
	return names
}

// NameFollower is told which names came with the rows of a change and which went with the last row that had them. Names that
// came staged are not stored yet; with the next change that is not staged they are, as far as they are still there.
type NameFollower func(came, went []ManagedName, staged bool)

// FollowNames has f told, within each change and before its writer hears of it. There is one follower; it is told at once of the
// names that there are.
func (t *Table) FollowNames(f NameFollower) {
	t.write.Lock()
	defer t.write.Unlock()
	t.follower = f
	t.tellNames(t.names.without(nil), nil, t.staged)
}

// replaceNames takes the names of rows that are all there are now.
func (t *Table) replaceNames(rows []*Row, staged bool) {
	before := t.names
	t.names = make(nameCounts)
	for _, row := range rows {
		t.names.add(row, 1)
	}
	t.tellNames(t.names.without(before), before.without(t.names), staged)
}

// recountNames takes the names of rows that went and came.
func (t *Table) recountNames(went map[*Row]bool, came []*Row, staged bool) {
	if t.names == nil {
		t.names = make(nameCounts)
	}
	before, after := make(nameCounts), make(nameCounts)
	for row := range went {
		before[row.name] = t.names[row.name]
	}
	for _, row := range came {
		before[row.name] = t.names[row.name]
	}
	for row := range went {
		t.names.add(row, -1)
	}
	for _, row := range came {
		t.names.add(row, 1)
	}
	for name := range before {
		after[name] = t.names[name]
	}
	t.tellNames(after.without(before), before.without(after), staged)
}

func (t *Table) tellNames(came, went []ManagedName, staged bool) {
	isCommit := t.staged && !staged
	t.staged = staged
	if t.follower != nil && (isCommit || len(came)+len(went) > 0) {
		t.follower(came, went, staged)
	}
}
