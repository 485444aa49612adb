package table

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// fewRows is the number of rows of one host up to which they are looked at one by one:
// below it that is as fast as the maps of a pathIndex, and smaller.
const fewRows = 16

// rules are the rows of one host on one port, in the order of precedence.
// The zero value has none; one row, which is what most hosts have, needs no slice.
type rules struct {
	only *Row
	many *manyRules
}

type manyRules struct {
	rows    []*Row // by precedence
	index   *pathIndex
	named   []*Row // see byName
	demands Demands
}

// pathIndex finds the rows whose path fits.
type pathIndex struct {
	exact  map[string][]*Row
	prefix map[string][]*Row
	depth  int // segments of the deepest prefix
}

func newRules(rows []*Row) rules {
	switch len(rows) {
	case 0:
		return rules{}
	case 1:
		return rules{only: rows[0]}
	}
	many := &manyRules{rows: rows, named: byName(rows)}
	for _, row := range rows {
		if !row.demands.None() {
			many.demands = row.demands
			break
		}
	}
	if len(rows) > fewRows {
		many.index = newPathIndex(rows)
	}
	return rules{many: many}
}

func newPathIndex(rows []*Row) *pathIndex {
	index := &pathIndex{exact: make(map[string][]*Row), prefix: make(map[string][]*Row)}
	for _, row := range rows {
		path := row.cond.path
		if row.cond.exact {
			index.exact[path] = append(index.exact[path], row)
		} else {
			index.prefix[path] = append(index.prefix[path], row)
			index.depth = max(index.depth, strings.Count(path, "/"))
		}
	}
	return index
}

// host is the pattern of the rows' host.
func (r rules) host() string {
	if r.only != nil {
		return r.only.host
	}
	return r.many.rows[0].host
}

func (r rules) empty() bool { return r.only == nil && r.many == nil }

func (r rules) rows() []*Row {
	if r.many != nil {
		return r.many.rows
	}
	if r.only != nil {
		return []*Row{r.only}
	}
	return nil
}

// match returns the first row in the order of precedence that takes the whole request.
func (r rules) match(q *Request) *Row {
	if r.only != nil {
		if r.only.takes(q) {
			return r.only
		}
		return nil
	}
	if r.many == nil {
		return nil
	}
	if r.many.index == nil {
		return firstMatch(r.many.rows, q)
	}
	return r.many.index.match(q)
}

func (p *pathIndex) match(q *Request) (row *Row) {
	p.each(q.cleanPath(), func(rows []*Row) bool {
		row = firstMatch(rows, q)
		return row == nil
	})
	return row
}

// each calls visit for the rows whose path fits, in the order of precedence, until it returns false.
func (p *pathIndex) each(path string, visit func([]*Row) bool) {
	if !visit(p.exact[path]) {
		return
	}
	for prefix := firstSegments(path, p.depth); visit(p.prefix[prefix]) && prefix != ""; {
		prefix = prefix[:strings.LastIndexByte(prefix, '/')]
	}
}

func firstMatch(rows []*Row, q *Request) *Row {
	for _, row := range rows {
		if row.takes(q) {
			return row
		}
	}
	return nil
}

func (r *Row) takes(q *Request) bool {
	cond := r.cond
	return r.tls == q.TLS && r.layer4 == nil && cond.listens(q.Local) && cond.fitsPath(q) && cond.fitsMethod(q) && cond.fitsHeaders(q)
}

func (c *conditions) fitsPath(q *Request) bool {
	if c.exact {
		return q.cleanPath() == c.path
	}
	return c.path == "" || hasPrefix(q.cleanPath(), c.path)
}

func (c *conditions) fitsMethod(q *Request) bool {
	return len(c.methods) == 0 || slices.Contains(c.methods, q.Method)
}

func (c *conditions) fitsHeaders(q *Request) bool {
	for _, h := range c.headers {
		if !q.has(h) {
			return false
		}
	}
	return true
}

// has tells whether the request carries a header with exactly this value. One that was sent several times has its
// values joined (RFC 9110 section 5.3), so that no request has two values.
func (q *Request) has(h header) bool {
	values := q.Header[h.name]
	switch {
	case h.name == "Host":
		// net/http moves this header out of the map.
		return q.Host == h.value
	case len(values) == 1:
		return values[0] == h.value
	}
	return len(values) > 0 && strings.Join(values, ", ") == h.value
}

// compare orders the rows of one host: path (exact, then the longer prefix), then whether methods are listed, then
// the number of headers, then redirects behind all others. It ends on what only keeps the order stable: path and id.
func compare(a, b *Row) int {
	if order := rank(a, b); order != 0 {
		return order
	}
	return cmp.Or(strings.Compare(a.cond.path, b.cond.path), strings.Compare(a.id, b.id))
}

func rank(a, b *Row) int {
	aPath, bPath := a.cond.path, b.cond.path
	if a.cond.exact && b.cond.exact {
		// No path is both, so neither comes first.
		aPath, bPath = "", ""
	}
	return cmp.Or(
		boolFirst(a.cond.exact, b.cond.exact),
		cmp.Compare(len(bPath), len(aPath)),
		boolFirst(len(a.cond.methods) > 0, len(b.cond.methods) > 0),
		cmp.Compare(len(b.cond.headers), len(a.cond.headers)),
		boolFirst(a.redirect == 0, b.redirect == 0),
	)
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// ties names the rows among sorted ones that tie with one before them and can match the same request.
func ties(rows []*Row) map[*Row]string {
	var found map[*Row]string
	for start := 0; start < len(rows); {
		end := start + 1
		for end < len(rows) && rank(rows[start], rows[end]) == 0 && rows[start].cond.path == rows[end].cond.path {
			end++
		}
		for i := start; i < end; i++ {
			for j := start; j < i; j++ {
				if !overlap(rows[i], rows[j]) {
					continue
				}
				if found == nil {
					found = make(map[*Row]string)
				}
				found[rows[i]] = fmt.Sprintf("ties with row %q", rows[j].id)
				if _, named := found[rows[j]]; !named {
					found[rows[j]] = fmt.Sprintf("ties with row %q", rows[i].id)
				}
				break
			}
		}
		start = end
	}
	return found
}

// overlap tells whether two rows of one rank and path can take the same request, and would do different things.
// One with TLS and one without count too: on one port that is taken for a mistake.
func overlap(a, b *Row) bool {
	if a.redirect != 0 && a.redirect == b.redirect || !sharesListen(a, b) {
		return false
	}
	if methods := a.cond.methods; len(methods) > 0 && !slices.ContainsFunc(methods, func(method string) bool {
		return slices.Contains(b.cond.methods, method)
	}) {
		return false
	}
	for _, h := range a.cond.headers {
		for _, other := range b.cond.headers {
			if h.name == other.name && h.value != other.value {
				return false
			}
		}
	}
	return true
}
