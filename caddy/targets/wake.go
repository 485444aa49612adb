package targets

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	// wakeAgain is the time without a word from the manager after which it is asked again: its question may have been
	// cut off with the answer on the way.
	wakeAgain = 5 * time.Second
	// wakeFailedFor is how long a failure to wake is believed.
	wakeFailedFor = time.Second
	// wakeKept is how long an instance that was woken may take to have an address before it is asked for again.
	wakeKept = 30 * time.Second
	// maxWakes bounds the instances of a rule that are woken at one time: hosts of a pattern may name them all.
	maxWakes = 256
)

// Why an instance is not woken.
var (
	ErrNotWoken     = errors.New("the instance could not be started")
	ErrTooManyWakes = errors.New("too many instances of the rule are starting")
	// ErrWaking is of one that is being woken.
	ErrWaking = errors.New("the instance is starting")
)

// WakeResult is what became of an instance that was to be woken.
type WakeResult struct {
	// Error says why it could not be; "" when it is starting.
	Error string `json:"error,omitempty"`
}

// wakeBoard has the instances that requests wait for, each once, until the manager has collected and answered them.
type wakeBoard struct {
	mu      sync.Mutex
	entries map[string]*wakeEntry
	// counts are how many entries each rule has.
	counts map[string]int
	// added is closed when there is something to collect.
	added chan struct{}
}

type wakeEntry struct {
	// rule is the row whose request asked first.
	rule string
	// collected is when the manager was told; zero while it was not.
	collected time.Time
	// done is when the manager said how it ended.
	done   time.Time
	failed bool
}

var wakes = newWakeBoard()

func newWakeBoard() *wakeBoard {
	return &wakeBoard{entries: make(map[string]*wakeEntry), counts: make(map[string]int), added: make(chan struct{})}
}

// Wake has an instance started for a row, once for all requests. It returns an error when that has just failed.
func Wake(instance, row string) error { return wakes.ask(instance, row) }

func (b *wakeBoard) ask(instance, rule string) error {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	entry := b.entries[instance]
	if entry != nil && entry.failed && now.Before(entry.done.Add(wakeFailedFor)) {
		return ErrNotWoken
	}
	if entry != nil && !entry.failed {
		waiting := entry.collected.IsZero()
		unanswered := entry.done.IsZero() && now.Before(entry.collected.Add(wakeAgain))
		starting := !entry.done.IsZero() && now.Before(entry.done.Add(wakeKept))
		if waiting || unanswered || starting {
			return nil
		}
	}
	if entry == nil && b.counts[rule] >= maxWakes {
		if b.sweep(now); b.counts[rule] >= maxWakes {
			return ErrTooManyWakes
		}
	}
	b.remove(instance)
	b.counts[rule]++
	b.entries[strings.Clone(instance)] = &wakeEntry{rule: rule}
	close(b.added)
	b.added = make(chan struct{})
	return nil
}

// remove forgets an instance. mu is held.
func (b *wakeBoard) remove(instance string) {
	entry := b.entries[instance]
	if entry == nil {
		return
	}
	delete(b.entries, instance)
	if b.counts[entry.rule]--; b.counts[entry.rule] == 0 {
		delete(b.counts, entry.rule)
	}
}

// sweep drops what is long done.
func (b *wakeBoard) sweep(now time.Time) {
	for name, entry := range b.entries {
		if !entry.done.IsZero() && now.After(entry.done.Add(wakeFailedFor)) ||
			!entry.collected.IsZero() && now.After(entry.collected.Add(wakeKept)) {
			b.remove(name)
		}
	}
}

func (b *wakeBoard) finish(instance string, result WakeResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if entry := b.entries[instance]; entry != nil {
		entry.done, entry.failed = time.Now(), result.Error != ""
	}
}

// awake forgets an instance that has an address now, so that it is woken at once when it sleeps again.
func (b *wakeBoard) awake(instance string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(instance)
}

func (b *wakeBoard) collect() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := []string{}
	for name, entry := range b.entries {
		if entry.collected.IsZero() {
			entry.collected = time.Now()
			names = append(names, name)
		}
	}
	return names
}

// Wakes waits until requests need instances to be woken, and returns their names; none when ctx ends before.
func Wakes(ctx context.Context) []string {
	for {
		wakes.mu.Lock()
		added := wakes.added
		wakes.mu.Unlock()
		if names := wakes.collect(); len(names) > 0 {
			return names
		}
		select {
		case <-added:
		case <-ctx.Done():
			return []string{}
		}
	}
}
