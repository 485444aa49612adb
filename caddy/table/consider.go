package table

// Considered is a row that was asked for a request and does not take it.
type Considered struct {
	ID      string `json:"id"`
	Ingress string `json:"ingress"`
	// Host is the row's, with `*` for captures.
	Host string `json:"host"`
	// Why is what sets it apart.
	Why Miss `json:"why"`
}

// Consider names the rows of the hosts that cover the one of a request, in the order of precedence, until one takes it:
// the first of them, at most so many, and how many more there are. Found are those by which Lookup decides.
func (t *Table) Consider(r *Request, most int) (passed []Considered, more int) {
	host := CanonicalHost(r.Host)
	t.mu.RLock()
	defer t.mu.RUnlock()
	hosts := t.ports[r.Port]
	if hosts == nil {
		return nil, 0
	}
	hosts.each(host, func(rules rules) bool {
		for _, row := range rules.rows() {
			switch {
			case row.takes(r):
				return false
			case len(passed) < most:
				passed = append(passed, Considered{row.id, row.ingress, row.host, row.miss(r)})
			default:
				more++
			}
		}
		return true
	})
	return passed, more
}

// Host is the host of the row, with `*` for captures; "tcp:" or "udp:" for a row of a whole port.
func (r *Row) Host() string { return r.host }
