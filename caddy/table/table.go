// Package table is the versioned host table of Gatewright's dispatcher: which row takes a request,
// by listen port, host, TLS, path, method and headers. It knows nothing of Caddy.
//
// A lookup costs one map access for a literal host, and one more for each distinct set of wildcard positions
// that patterns of as many labels have. Paths of a host cost one access each for the exact path and for each
// prefix down to the deepest one stored. The number of rows does not matter.
package table

import (
	"net"
	"slices"
	"strings"
	"sync"
)

// Table is a host table that is read by requests while it changes. The zero value is empty and has no version.
type Table struct {
	// write is held by the one writer, from reading the present rows to the end of the change.
	write sync.Mutex
	// mu is held for writing only while maps are changed, with everything that goes in prepared before.
	mu      sync.RWMutex
	version string
	ports   map[uint16]*hosts
	// reserved is the host that no wildcard covers; "" is none.
	reserved string
	// changes counts the changes that were made. Writers read and write it.
	changes uint64
	// byID is the writers' own, as named is: requests do not read them.
	byID map[string]*Row
	// named counts the rows that name a policy.
	named map[string]int
	// names are those of the rows; the writers' own, too.
	names    nameCounts
	follower NameFollower
	// staged: what the last change brought is not stored yet.
	staged bool
	// ingresses are the names as they were after so many changes; the writers' own, too.
	ingresses   map[string]string
	ingressesOf uint64
}

// Request is what a row is chosen by.
type Request struct {
	// Port is the listen port.
	Port uint16
	TLS  bool
	// Local is the address that the connection came to; only rows that name listen addresses ask for it.
	Local net.Addr
	// Host is the Host header as it came.
	Host string
	// Path is decoded; it is cleaned here.
	Path   string
	Method string
	// Header has canonical names, as net/http's.
	Header map[string][]string

	// Clean is the cleaned path once a row has asked for it: what Lookup leaves there tells that paths were decided by.
	Clean string
}

func (r *Request) cleanPath() string {
	if r.Clean == "" {
		r.Clean = CleanPath(r.Path)
	}
	return r.Clean
}

// Lookup returns the first row in the order of precedence that takes the whole request, or nil, the canonical host that
// Row.Target expands captures from, and what the row demands of the request's connection.
func (t *Table) Lookup(r *Request) (*Row, string, Demands) {
	host := CanonicalHost(r.Host)
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := t.ports[r.Port]
	if hosts == nil {
		return nil, host, Demands{}
	}
	row := hosts.match(host, r)
	return row, host, hosts.demandsOf(row, host)
}

// Reserve keeps a host for the rows that name it, on every port: no wildcard takes its requests and connections, or says what
// they demand. Before, it was another one, or none; "" is none.
func (t *Table) Reserve(host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reserved = canonicalName(host)
}

// Version is the version that was last given; "" before the first.
func (t *Table) Version() string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.version
}

// State is the version, the number of rows, and how many changes were made, of one moment. Who made a change may give
// any version, but cannot leave this count as it is.
func (t *Table) State() (version string, rows int, changes uint64) {
	t.write.Lock()
	defer t.write.Unlock()
	return t.version, len(t.byID), t.changes
}

// IsStaged says whether the last change is not stored yet, as far as its writer has told.
func (t *Table) IsStaged() bool {
	t.write.Lock()
	defer t.write.Unlock()
	return t.staged
}

// Commit has a version that was staged be a stored one. It returns a *VersionError when another one runs. A version that is
// stored already is left as it is.
func (t *Table) Commit(version string) error {
	t.write.Lock()
	defer t.write.Unlock()
	if version != t.version {
		return &VersionError{Running: t.version, From: version}
	}
	t.tellNames(nil, nil, false)
	return nil
}

// Rows collects the rows of a change, and what is wrong with them.
type Rows struct {
	// Staged: the change is not stored yet, and may be taken back. Names that come with it are told as such.
	Staged bool
	// Ready, if any, is called once the change is certain to be made, before requests see it.
	Ready func()

	rows     []*Row
	problems []Problem
	ids      map[string]struct{}
	policies map[string]bool
	left     []string
}

// NewRows starts a change.
func NewRows() *Rows { return &Rows{ids: make(map[string]struct{}), policies: make(map[string]bool)} }

// Add checks a row and takes it over.
func (r *Rows) Add(from *RowJSON) {
	row, problems := compile(from)
	for _, problem := range problems {
		r.problems = append(r.problems, Problem{from.ID, problem})
	}
	if _, twice := r.ids[row.id]; twice {
		r.problems = append(r.problems, Problem{row.id, "id is there twice"})
	}
	r.ids[row.id] = struct{}{}
	r.rows = append(r.rows, row)
}

// Replace puts other rows and another version in the place of all there is.
// It returns a *Refusal when rows are invalid or tie.
func (t *Table) Replace(version string, change *Rows) error {
	t.write.Lock()
	defer t.write.Unlock()
	problems := change.problems
	rows := change.rows
	slices.SortFunc(rows, func(a, b *Row) int {
		if a.port != b.port {
			return int(a.port) - int(b.port)
		}
		if a.host != b.host {
			return strings.Compare(a.host, b.host)
		}
		return compare(a, b)
	})
	ports := make(map[uint16]*hosts)
	byID := make(map[string]*Row, len(rows))
	for start := 0; start < len(rows); {
		at := rows[start].portHost()
		end := start + 1
		for end < len(rows) && rows[end].portHost() == at {
			end++
		}
		group := slices.Clone(rows[start:end])
		for row, problem := range ties(group) {
			problems = append(problems, Problem{row.id, problem})
		}
		if ports[at.port] == nil {
			ports[at.port] = newHosts(countPort(rows[start:], at.port), &t.reserved)
		}
		ports[at.port].set(at.host, newRules(group))
		for _, row := range group {
			byID[row.id] = row
		}
		start = end
	}
	if len(problems) > 0 {
		return &Refusal{problems}
	}
	change.ready()
	change.left = t.nameOnly(byID)
	t.byID = byID
	t.changes++
	t.mu.Lock()
	t.ports = ports
	t.version = version
	t.mu.Unlock()
	t.replaceNames(rows, change.Staged)
	return nil
}

func countPort(rows []*Row, port uint16) int {
	for i, row := range rows {
		if row.port != port {
			return i
		}
	}
	return len(rows)
}

// Patch removes rows by id and adds or replaces others, all at once for the requests that read meanwhile.
// An id to remove that is not there is no error. It returns a *VersionError when from is not the running
// version, and a *Refusal when rows are invalid or tie.
func (t *Table) Patch(from, to string, remove []string, upsert *Rows) error {
	t.write.Lock()
	defer t.write.Unlock()
	if from != t.version {
		return &VersionError{Running: t.version, From: from}
	}
	problems := upsert.problems
	gone := make(map[*Row]bool)
	// Every host of a port whose rows change, with the rows that come to it.
	touched := make(map[portHost][]*Row)
	drop := func(id string) {
		if row := t.byID[id]; row != nil {
			gone[row] = true
			if _, known := touched[row.portHost()]; !known {
				touched[row.portHost()] = nil
			}
		}
	}
	for _, id := range remove {
		drop(id)
	}
	for _, row := range upsert.rows {
		drop(row.id)
		touched[row.portHost()] = append(touched[row.portHost()], row)
	}
	changes := make(map[portHost]rules, len(touched))
	for at, rows := range touched {
		if hosts := t.ports[at.port]; hosts != nil {
			for _, row := range hosts.get(at.host).rows() {
				if !gone[row] {
					rows = append(rows, row)
				}
			}
		}
		slices.SortFunc(rows, compare)
		for row, problem := range ties(rows) {
			if _, ours := upsert.ids[row.id]; ours {
				problems = append(problems, Problem{row.id, problem})
			}
		}
		changes[at] = newRules(rows)
	}
	if len(problems) > 0 {
		return &Refusal{problems}
	}
	upsert.ready()
	upsert.left = t.name(upsert.rows, gone)
	t.commit(to, changes)
	t.changes++
	for row := range gone {
		delete(t.byID, row.id)
	}
	if t.byID == nil {
		t.byID = make(map[string]*Row)
	}
	for _, row := range upsert.rows {
		t.byID[row.id] = row
	}
	t.recountNames(gone, upsert.rows, upsert.Staged)
	return nil
}

func (t *Table) commit(version string, changes map[portHost]rules) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version = version
	if t.ports == nil {
		t.ports = make(map[uint16]*hosts)
	}
	for at, rules := range changes {
		hosts := t.ports[at.port]
		if hosts == nil {
			hosts = newHosts(0, &t.reserved)
			t.ports[at.port] = hosts
		}
		hosts.set(at.host, rules)
		if hosts.empty() {
			delete(t.ports, at.port)
		}
	}
}
