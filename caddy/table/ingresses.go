package table

import "strings"

// Ingresses are the names of all ingresses by their ids: rows are `<ingress id>/<index>`. The map is not to be changed.
func (t *Table) Ingresses() map[string]string {
	t.write.Lock()
	defer t.write.Unlock()
	if t.ingresses == nil || t.ingressesOf != t.changes {
		ingresses := make(map[string]string, len(t.ingresses))
		for id, row := range t.byID {
			ingress, _, _ := strings.Cut(id, "/")
			ingresses[ingress] = row.ingress
		}
		t.ingresses, t.ingressesOf = ingresses, t.changes
	}
	return t.ingresses
}
