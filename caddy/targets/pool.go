package targets

import (
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/balance"
)

// maxAddresses bounds the addresses that are remembered of one row; made-up names of a pattern may have many.
const maxAddresses = 1024

// Passive tells when an address counts as failing.
type Passive struct {
	// MaxFails is how many failures within FailDuration it takes. Default: 1.
	MaxFails int `json:"max_fails,omitempty"`

	// FailDuration is how long a failure counts. Default: 30s.
	FailDuration caddy.Duration `json:"fail_duration,omitempty"`
}

// Provision checks the values and fills in the defaults.
func (p *Passive) Provision() error {
	if p.MaxFails < 0 || p.FailDuration < 0 {
		return errors.New("passive: max_fails or fail_duration is negative")
	}
	if p.MaxFails == 0 {
		p.MaxFails = 1
	}
	if p.FailDuration == 0 {
		p.FailDuration = caddy.Duration(30 * time.Second)
	}
	return nil
}

// Pool is what is remembered of the addresses of a row: whose turn it is, what runs, and what has failed. The zero value is
// ready for use.
type Pool struct {
	turns balance.Turns

	mu        sync.Mutex
	addresses map[string]*Address // by ip:port
}

// Address is what is remembered of one address.
type Address struct {
	// Active are its requests or connections.
	Active int64
	// TriedAt is when one last succeeded or failed; zero before there was one. LastError says why it failed, "" when not.
	TriedAt   time.Time
	LastError string
	// failures are the last ones since one has succeeded, the oldest first.
	failures []time.Time
}

// address returns what is remembered of an address, from now on at the latest. mu is held.
func (p *Pool) address(dial string) *Address {
	if known := p.addresses[dial]; known != nil {
		return known
	}
	if len(p.addresses) >= maxAddresses {
		for other, known := range p.addresses {
			if known.Active == 0 {
				delete(p.addresses, other)
				break
			}
		}
	}
	if p.addresses == nil {
		p.addresses = make(map[string]*Address)
	}
	added := &Address{}
	p.addresses[dial] = added
	return added
}

// Enter counts a request or connection of an address, unless it has as many as it takes; a limit of 0 is none.
func (p *Pool) Enter(dial string, limit int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.address(dial)
	if limit > 0 && at.Active >= limit {
		return false
	}
	at.Active++
	return true
}

// Leave ends what Enter counted.
func (p *Pool) Leave(dial string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.address(dial)
	if at.Active--; at.Active == 0 && at.TriedAt.IsZero() {
		delete(p.addresses, dial)
	}
}

// Succeed notes that an address has taken a connection.
func (p *Pool) Succeed(dial string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.address(dial)
	at.TriedAt, at.LastError, at.failures = time.Now(), "", nil
}

// Fail notes a failure of an address, and tells whether it made it failing.
func (p *Pool) Fail(dial, why string, passive *Passive) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.address(dial)
	at.TriedAt, at.LastError = time.Now(), why
	before := at.until(passive).After(at.TriedAt)
	if over := len(at.failures) - passive.MaxFails + 1; over > 0 {
		at.failures = append(at.failures[:0], at.failures[over:]...)
	}
	at.failures = append(at.failures, at.TriedAt)
	return !before && at.until(passive).After(at.TriedAt)
}

// until is when the address is no longer failing: when the oldest of enough failures no longer counts.
func (a *Address) until(passive *Passive) time.Time {
	enough := len(a.failures) - passive.MaxFails
	if enough < 0 {
		return time.Time{}
	}
	return a.failures[enough].Add(time.Duration(passive.FailDuration))
}

// failing is when an address is no longer; zero when it is not.
func (p *Pool) failing(dial string, passive *Passive, now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.addresses[dial]; at != nil {
		if until := at.until(passive); until.After(now) {
			return until
		}
	}
	return time.Time{}
}

// least chooses the address of a field with the fewest requests or connections.
func (p *Pool) least(f *Field) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turns.Least(f.groups, func(i int) int {
		if at := p.addresses[f.List[i].Dial]; at != nil {
			return int(at.Active)
		}
		return 0
	})
}

// Addresses are what is remembered of each address, by ip:port.
func (p *Pool) Addresses() map[string]Address {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]Address, len(p.addresses))
	for dial, known := range p.addresses {
		all[dial] = *known
	}
	return all
}

// Idle tells whether nothing runs.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.addresses {
		if known.Active > 0 {
			return false
		}
	}
	return true
}
