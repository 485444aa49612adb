package certificates

import (
	"sync"
	"time"
)

// maxAttempts bounds what is remembered; beyond it the failures of some names are forgotten.
const maxAttempts = 1 << 18

// attempt is an order that is under way, or waits for its next try.
type attempt struct {
	Since    time.Time  `json:"since"`
	Failures int        `json:"failures"`
	Renewal  bool       `json:"renewal"`
	Error    string     `json:"error,omitempty"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
	// TryingSince is when the try that is under way began; absent between two.
	TryingSince *time.Time `json:"trying_since,omitempty"`
}

type attemptTable struct {
	mu     sync.Mutex
	byName map[string]attempt
}

var attempts = attemptTable{byName: make(map[string]attempt)}

func (t *attemptTable) begin(name string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	begun, known := t.byName[name]
	if !known {
		begun.Since = at
	}
	begun.TryingSince = &at
	t.put(name, begun)
}

func (t *attemptTable) fail(name, reason string, renewal bool, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed, known := t.byName[name]
	if !known {
		failed.Since = at
	}
	failed.Failures++
	failed.Renewal = renewal
	failed.Error = reason
	failed.FailedAt = &at
	failed.TryingSince = nil
	t.put(name, failed)
}

// trouble is a try that came to nothing. Where the authority refused, that was told before.
func (t *attemptTable) trouble(name string, err error, at time.Time) {
	if known := t.of(name); known == nil || known.TryingSince != nil || known.FailedAt == nil {
		ordersFailed.WithLabelValues(causeOf(err), renewals[false]).Inc()
		t.fail(name, err.Error(), false, at)
	}
}

func (t *attemptTable) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byName, name)
}

func (t *attemptTable) of(name string) *attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, known := t.byName[name]; known {
		return &found
	}
	return nil
}

// underWay is how many orders are being tried now, renewals and those on demand included.
func (t *attemptTable) underWay() (count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, known := range t.byName {
		if known.TryingSince != nil {
			count++
		}
	}
	return count
}

// put keeps the table bounded. The caller holds the lock.
func (t *attemptTable) put(name string, value attempt) {
	if _, known := t.byName[name]; !known && len(t.byName) >= maxAttempts {
		for other := range t.byName {
			delete(t.byName, other)
			break
		}
	}
	t.byName[name] = value
}
