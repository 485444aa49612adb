package table

import "slices"

// Miss is why no row takes a request: the first thing that sets the row apart which comes nearest to taking it.
type Miss string

// A row that fits in one of them fits in those before it, too.
const (
	// MissPort is of a port without rows for requests.
	MissPort    Miss = "port"
	MissHost    Miss = "host"
	MissPath    Miss = "path"
	MissMethod  Miss = "method"
	MissHeaders Miss = "headers"
	// MissAddress is of a connection that came to another listen address than the row's.
	MissAddress Miss = "address"
	// MissScheme is of http where the row has https, or the other way round.
	MissScheme Miss = "scheme"
)

var nearer = []Miss{MissPort, MissHost, MissPath, MissMethod, MissHeaders, MissAddress, MissScheme}

// Miss tells why Lookup finds no row.
func (t *Table) Miss(q *Request) Miss {
	host := CanonicalHost(q.Host)
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := t.ports[q.Port]
	if hosts == nil {
		return MissPort
	}
	nearest := MissHost
	hosts.each(host, func(r rules) bool {
		r.eachFitting(q, func(row *Row) {
			if why := row.miss(q); slices.Index(nearer, why) > slices.Index(nearer, nearest) {
				nearest = why
			}
		})
		return true
	})
	return nearest
}

// eachFitting visits the rows that may come nearest: of many only those whose path fits, and any one when none does.
func (r rules) eachFitting(q *Request, visit func(*Row)) {
	if r.many == nil || r.many.index == nil {
		for _, row := range r.rows() {
			visit(row)
		}
		return
	}
	visit(r.many.rows[0])
	r.many.index.each(q.cleanPath(), func(rows []*Row) bool {
		for _, row := range rows {
			visit(row)
		}
		return true
	})
}

// miss is what sets a row apart from a request that it does not take.
func (r *Row) miss(q *Request) Miss {
	cond := r.cond
	switch {
	case r.layer4 != nil:
		return MissHost
	case !cond.fitsPath(q):
		return MissPath
	case !cond.fitsMethod(q):
		return MissMethod
	case !cond.fitsHeaders(q):
		return MissHeaders
	case !cond.listens(q.Local):
		return MissAddress
	}
	return MissScheme
}
