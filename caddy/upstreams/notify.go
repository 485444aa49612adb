package upstreams

import "sync"

// notifier wakes everyone who waits for a change.
type notifier struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// changes are those of addresses, health and modes, which requests without an address wait for.
var changes notifier

// wait returns a channel that is closed by the next change.
func (b *notifier) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

// tell is called after a change.
func (b *notifier) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
