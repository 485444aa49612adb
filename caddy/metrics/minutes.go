package metrics

import (
	"slices"
	"time"
)

// Minute is what all ingresses together had in a minute.
type Minute struct {
	// Start is in seconds since 1970.
	Start    int64  `json:"start"`
	Requests uint64 `json:"requests"`
	// Errors are requests that were answered with 500 and above.
	Errors uint64 `json:"errors"`
}

// Minutes are those of the last quarter of an hour that had requests, the present one included, the oldest first. They are added
// up from the rings of the ingresses, so that no request pays for them; the traffic of ingresses that are gone is not in them.
func Minutes(now time.Time) []Minute {
	byStart := map[int64]*Minute{}
	newest := tickOf(now)
	oldest := newest - keptTicks
	count := func(slots []slot) {
		for at := range slots {
			s := &slots[at]
			if s.start < oldest || s.start > newest {
				continue
			}
			start := (s.start - s.start%minute) * int64(tick/time.Second)
			m := byStart[start]
			if m == nil {
				m = &Minute{Start: start}
				byStart[start] = m
			}
			m.Requests += uint64(s.requests)
			m.Errors += s.errors()
		}
	}
	each(func(_ string, i *Ingress) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.last < oldest {
			return
		}
		record := i.open()
		count(record.ring.old)
		count(record.ring.recent)
		i.leave(record)
	})
	minutes := make([]Minute, 0, len(byStart))
	for _, m := range byStart {
		minutes = append(minutes, *m)
	}
	slices.SortFunc(minutes, func(a, b Minute) int { return int(a.Start - b.Start) })
	return minutes
}

// errors is how many were answered with 500 and above; where there are too many statuses they are counted by their first digit.
func (s *slot) errors() (sum uint64) {
	for _, status := range s.statuses {
		if status.key >= 500 || status.key == 5 {
			sum += status.count
		}
	}
	return sum
}
