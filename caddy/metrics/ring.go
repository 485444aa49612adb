package metrics

import (
	"time"

	"gatewright.dev/caddy/exchange"
)

const (
	// tick is the length of a slot of the last minute. Older ones are merged into one a minute.
	tick      = 10 * time.Second
	minute    = 6
	keptTicks = 15 * minute
	// maxTargets and maxStatuses bound what a slot tells apart.
	maxTargets  = 16
	maxStatuses = 32
)

// ring has the traffic of an ingress in the last quarter of an hour. Slots without traffic are not there.
type ring struct {
	// recent are of a tick each, old of a minute; the oldest first.
	recent, old []slot
	// names is room for packing.
	names []targetName
}

// slot is the traffic from a time on.
type slot struct {
	// start is in ticks since 1970.
	start          int64
	requests       uint32
	received, sent uint64
	statuses       tally[uint16]
	took           spread
	targets        []targetSlot
}

// targetSlot is that of an address.
type targetSlot struct {
	target, address    string
	requests, failures uint32
	took               spread
}

func tickOf(at time.Time) int64 { return at.Unix() / int64(tick/time.Second) }

// add counts an exchange that ended at a time.
func (r *ring) add(at time.Time, e *exchange.Exchange) {
	s := r.slot(tickOf(at))
	s.requests++
	s.received += uint64(e.Received.Load())
	s.sent += uint64(e.Sent.Load())
	s.statuses.add(s.status(e.Status), 1)
	s.took.add(timeOf(e))
	for i := range e.Attempts {
		s.attempt(&e.Attempts[i])
	}
}

// slot is that of a tick, or the newest when that is newer: exchanges that end together are not counted in order.
func (r *ring) slot(now int64) *slot {
	if last := len(r.recent) - 1; last >= 0 && r.recent[last].start >= now {
		return &r.recent[last]
	}
	r.age(now)
	r.recent = append(r.recent, slot{start: now})
	return &r.recent[len(r.recent)-1]
}

// age merges the slots that are older than a minute, and drops those older than all windows.
func (r *ring) age(now int64) {
	aged := 0
	for aged < len(r.recent) && r.recent[aged].start <= now-minute {
		r.merge(&r.recent[aged])
		aged++
	}
	kept := copy(r.recent, r.recent[aged:])
	clear(r.recent[kept:])
	r.recent = r.recent[:kept]
	gone := 0
	for gone < len(r.old) && r.old[gone].start <= now-keptTicks-minute {
		gone++
	}
	kept = copy(r.old, r.old[gone:])
	clear(r.old[kept:])
	r.old = r.old[:kept]
}

func (r *ring) merge(s *slot) {
	start := s.start - s.start%minute
	if last := len(r.old) - 1; last >= 0 && r.old[last].start == start {
		r.old[last].add(s)
		return
	}
	merged := *s
	merged.start = start
	r.old = append(r.old, merged)
}

// last is when the ring was used.
func (r *ring) last() int64 {
	if len(r.recent) == 0 {
		return 0
	}
	return r.recent[len(r.recent)-1].start
}

// busySince tells whether a slot that begins at a tick or later has so many requests that the record is kept as it is.
func (r *ring) busySince(from int64) bool {
	for i := range r.recent {
		if r.recent[i].start >= from && r.recent[i].requests >= busyRequests {
			return true
		}
	}
	return false
}

// size is about how many bytes the ring takes.
func (r *ring) size() (bytes int64) {
	for _, slots := range [][]slot{r.recent, r.old} {
		for i := range slots {
			s := &slots[i]
			bytes += 128 + int64(16*cap(s.statuses)+8*cap(s.took))
			for t := range s.targets {
				bytes += 72 + int64(8*cap(s.targets[t].took))
			}
		}
	}
	return bytes
}

// status is what a status is counted by: its first digit where there are too many, or no name for it.
func (s *slot) status(status int) uint16 {
	named := statusOf(status)
	if named > 9 && len(s.statuses) >= maxStatuses && s.statuses.of(named) == 0 {
		named /= 100
	}
	return named
}

func (s *slot) attempt(a *exchange.Attempt) {
	t := s.target(a.Target, a.Address)
	t.requests++
	if a.Failure != "" && !a.Failure.IsClients() || a.Status >= 500 {
		t.failures++
	}
	if a.FirstByte > 0 {
		t.took.add(a.Connect + a.FirstByte)
	}
}

// target is that of an address; of those beyond the bound there is one for all.
func (s *slot) target(target, address string) *targetSlot {
	for i := range s.targets {
		if t := &s.targets[i]; t.address == address && t.target == target {
			return t
		}
	}
	if len(s.targets) >= maxTargets && address != Other {
		return s.target(Other, Other)
	}
	s.targets = append(s.targets, targetSlot{target: target, address: address})
	return &s.targets[len(s.targets)-1]
}

// add adds another slot.
func (s *slot) add(other *slot) {
	s.requests += other.requests
	s.received += other.received
	s.sent += other.sent
	s.statuses.addAll(other.statuses, 1)
	s.took.addAll(other.took)
	for i := range other.targets {
		from := &other.targets[i]
		to := s.target(from.target, from.address)
		to.requests += from.requests
		to.failures += from.failures
		to.took.addAll(from.took)
	}
}
