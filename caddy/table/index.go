package table

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

// portHost is where a row is found: listen port and host.
type portHost struct {
	port uint16
	host string
}

func (r *Row) portHost() portHost { return portHost{r.port, r.host} }

// hosts are the rules of one listen port by host.
type hosts struct {
	literal  map[string]rules
	shapes   map[int][]*shape // by number of labels; each by precedence
	catchAll rules
	// demanding are the hosts of ports whose rows demand something of TLS.
	demanding int
	// reserved is the table's.
	reserved *string
}

// shape holds the patterns that have wildcards at the same labels.
type shape struct {
	labels int
	mask   uint64
	rules  map[string]rules // by host, with `*` at the wildcards
}

func newHosts(size int, reserved *string) *hosts {
	return &hosts{literal: make(map[string]rules, size), shapes: make(map[int][]*shape), reserved: reserved}
}

func (h *hosts) empty() bool {
	return len(h.literal) == 0 && len(h.shapes) == 0 && h.catchAll.empty()
}

func (h *hosts) get(host string) rules {
	switch {
	case host == "*":
		return h.catchAll
	case !strings.Contains(host, "*"):
		return h.literal[host]
	}
	if s := h.shape(shapeOf(host)); s != nil {
		return s.rules[host]
	}
	return rules{}
}

func (h *hosts) shape(labels int, mask uint64) *shape {
	for _, s := range h.shapes[labels] {
		if s.mask == mask {
			return s
		}
	}
	return nil
}

func (h *hosts) set(host string, r rules) {
	if !h.get(host).demands().None() {
		h.demanding--
	}
	if !r.demands().None() {
		h.demanding++
	}
	switch {
	case host == "*":
		h.catchAll = r
		return
	case !strings.Contains(host, "*"):
		setOrDelete(h.literal, host, r)
		return
	}
	labels, mask := shapeOf(host)
	s := h.shape(labels, mask)
	if s == nil {
		s = &shape{labels: labels, mask: mask, rules: make(map[string]rules)}
		shapes := append(slices.Clone(h.shapes[labels]), s)
		slices.SortFunc(shapes, compareShapes)
		h.shapes[labels] = shapes
	}
	setOrDelete(s.rules, host, r)
	if len(s.rules) > 0 {
		return
	}
	h.shapes[labels] = slices.DeleteFunc(slices.Clone(h.shapes[labels]), func(other *shape) bool { return other == s })
	if len(h.shapes[labels]) == 0 {
		delete(h.shapes, labels)
	}
}

func setOrDelete(m map[string]rules, host string, r rules) {
	if r.empty() {
		delete(m, host)
	} else {
		m[host] = r
	}
}

// compareShapes puts more literal labels first, then the shape that is literal at the leftmost label where they differ.
func compareShapes(a, b *shape) int {
	return cmp.Or(
		cmp.Compare(bits.OnesCount64(a.mask), bits.OnesCount64(b.mask)),
		cmp.Compare(bits.Reverse64(a.mask), bits.Reverse64(b.mask)),
	)
}

// match returns the first row in the order of precedence that takes the whole request.
func (h *hosts) match(host string, q *Request) (row *Row) {
	h.each(host, func(r rules) bool {
		row = r.match(q)
		return row == nil
	})
	return row
}

// each calls visit for the rules of every host that covers this one, in the order of precedence, until it returns false.
// No wildcard covers the reserved one.
func (h *hosts) each(host string, visit func(rules) bool) {
	if r := h.literal[host]; !r.empty() && !visit(r) {
		return
	}
	if host != "" && host == *h.reserved {
		return
	}
	if len(h.shapes) > 0 && len(host) <= maxHost {
		var buf [maxHost]byte
		for _, s := range h.shapes[strings.Count(host, ".")+1] {
			key, ok := appendShape(buf[:0], host, s.mask)
			if !ok {
				continue
			}
			if r := s.rules[string(key)]; !r.empty() && !visit(r) {
				return
			}
		}
	}
	if !h.catchAll.empty() {
		visit(h.catchAll)
	}
}
