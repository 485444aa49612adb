package resolver

import "hash/maphash"

// Peek is what is known of a name without asking for it; nil when that is nothing.
func (r *Resolver) Peek(name string) *Item {
	s := &r.shards[maphash.String(seed, name)%shardCount]
	s.mu.RLock()
	e := s.entries[name]
	s.mu.RUnlock()
	if e != nil {
		if item := e.item.Load(); item != nil {
			return item
		}
	}
	return r.told.item(name, r.minTTL)
}
