package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Traffic is that of an ingress in the last 1, 5 and 15 minutes, by the seconds of the window.
type Traffic struct {
	Windows map[string]*Window `json:"windows"`
}

// Window is the traffic of a time.
type Window struct {
	Requests uint64 `json:"requests"`
	// Rate is that of requests a second. A window begins with a slot, of 10 s in the first minute and else of a minute, and is
	// divided by what it really covers: 50 to 60 s, 4 to 5 minutes, 14 to 15.
	Rate     float64           `json:"rate"`
	Statuses map[string]uint64 `json:"statuses"`
	// P50, P95 and P99 are in seconds, within 6.25 %; absent without a request.
	P50           float64        `json:"p50,omitempty"`
	P95           float64        `json:"p95,omitempty"`
	P99           float64        `json:"p99,omitempty"`
	ReceivedBytes uint64         `json:"received_bytes"`
	SentBytes     uint64         `json:"sent_bytes"`
	Targets       []TargetWindow `json:"targets"`
}

// TargetWindow is the traffic of an address.
type TargetWindow struct {
	// Target is the name of the instance, the service or the address; "" of an IP address.
	Target   string `json:"target"`
	Address  string `json:"address"`
	Requests uint64 `json:"requests"`
	// Failures are attempts without a whole answer, and answers of 500 and above.
	Failures uint64 `json:"failures"`
	// P95 is of the time until the answer began, in seconds; absent where there was none.
	P95 float64 `json:"p95,omitempty"`
}

// TrafficOf is that of an ingress by its id. One without traffic of late has empty windows.
func TrafficOf(id string, now time.Time) Traffic {
	var sums [3]slot
	var starts [3]int64
	for i, window := range windows {
		starts[i] = startOf(window, tickOf(now))
	}
	if i := known(id); i != nil {
		i.mu.Lock()
		record := i.open()
		record.ring.sum(&starts, &sums)
		i.leave(record)
		i.mu.Unlock()
	}
	traffic := Traffic{Windows: make(map[string]*Window, len(windows))}
	for i, window := range windows {
		seconds := max(now.Unix()-starts[i]*int64(tick/time.Second), 1)
		traffic.Windows[strconv.FormatInt(window, 10)] = windowOf(&sums[i], seconds)
	}
	return traffic
}

// windows are their seconds.
var windows = [3]int64{60, 300, 900}

// startOf is the tick in which a window begins; those after the first minute begin with a minute.
func startOf(window, now int64) int64 {
	start := now + 1 - window/int64(tick/time.Second)
	if window > 60 {
		start = (start + minute - 1) / minute * minute
	}
	return start
}

// sum adds up the slots of each window.
func (r *ring) sum(starts *[3]int64, sums *[3]slot) {
	for _, slots := range [][]slot{r.old, r.recent} {
		for i := range slots {
			for w := range sums {
				if slots[i].start >= starts[w] {
					sums[w].add(&slots[i])
				}
			}
		}
	}
}

func windowOf(s *slot, seconds int64) *Window {
	w := &Window{
		Requests: uint64(s.requests), Rate: float64(s.requests) / float64(seconds),
		Statuses:      make(map[string]uint64, len(s.statuses)),
		P50:           s.took.quantile(0.5).Seconds(),
		P95:           s.took.quantile(0.95).Seconds(),
		P99:           s.took.quantile(0.99).Seconds(),
		ReceivedBytes: s.received, SentBytes: s.sent, Targets: make([]TargetWindow, 0, len(s.targets)),
	}
	for _, status := range s.statuses {
		w.Statuses[statusText(status.key)] = status.count
	}
	for i := range s.targets {
		t := &s.targets[i]
		w.Targets = append(w.Targets, TargetWindow{
			Target: t.target, Address: t.address, Requests: uint64(t.requests), Failures: uint64(t.failures), P95: t.took.quantile(0.95).Seconds(),
		})
	}
	slices.SortFunc(w.Targets, func(a, b TargetWindow) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Address, b.Address))
	})
	return w
}
