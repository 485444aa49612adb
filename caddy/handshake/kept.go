package handshake

import "sync"

// kept is a map that forgets everything before it grows beyond maxKept.
type kept[K comparable, V any] struct {
	mu    sync.RWMutex
	items map[K]V
}

func (k *kept[K, V]) get(key K) (V, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	value, ok := k.items[key]
	return value, ok
}

func (k *kept[K, V]) put(key K, value V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.items == nil || len(k.items) >= maxKept {
		k.items = make(map[K]V)
	}
	k.items[key] = value
}
