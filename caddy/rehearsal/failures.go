package rehearsal

import (
	"sync"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/exchange"
)

// mostFailures bounds the rows of which a failure is kept.
const mostFailures = 10_000

// Failure is the last request of a row that had no whole answer of an instance, where it should: what a rehearsal cannot
// know, such as an instance that takes connections and does not answer.
type Failure struct {
	At time.Time `json:"at"`
	// Cause is the word for it.
	Cause  string `json:"cause"`
	Status int    `json:"status,omitempty"`
	// Target and Address are those of the last attempt; "" where there was none.
	Target  string `json:"target,omitempty"`
	Address string `json:"address,omitempty"`
}

var (
	failures sync.Map // row id → *Failure
	kept     atomic.Int64
)

// Failed keeps what is told of a request that has failed.
func Failed(e *exchange.Exchange) {
	failure := &Failure{At: time.Now(), Cause: string(e.Failure), Status: e.Status}
	if last := e.Last(); last != nil {
		failure.Target, failure.Address = last.Target, last.Address
	}
	if _, had := failures.Swap(e.Row.ID(), failure); had || kept.Add(1) <= mostFailures {
		return
	}
	failures.Range(func(row, _ any) bool {
		if _, had := failures.LoadAndDelete(row); had {
			kept.Add(-1)
		}
		return false
	})
}

// LastFailure is the last one of a row; nil when none is known.
func LastFailure(row string) *Failure {
	failure, _ := failures.Load(row)
	last, _ := failure.(*Failure)
	return last
}
