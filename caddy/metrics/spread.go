package metrics

import (
	"math/bits"
	"slices"
	"time"
)

// spread counts times in steps of an eighth of a power of two, as HdrHistogram does, of which only those that came are kept:
// a quantile is within 6.25 % of the time that it stands for, and within 64 µs below 128 µs.
type spread []step

// step is how often times of a step came.
type step struct {
	at uint8
	n  uint32
}

const (
	// finest is the exponent of the first step in microseconds, and splits that of the parts of a power of two.
	finest = 7
	splits = 3
)

func stepOf(took time.Duration) uint8 {
	us := uint64(max(took.Microseconds(), 0))
	if us < 1<<finest {
		return 0
	}
	exponent := bits.Len64(us) - 1
	part := us >> (exponent - splits) & (1<<splits - 1)
	return uint8(min((exponent-finest)<<splits+int(part)+1, 255))
}

// middle is the time in the middle of a step.
func (s step) middle() time.Duration {
	if s.at == 0 {
		return time.Microsecond << (finest - 1)
	}
	exponent, part := (int(s.at)-1)>>splits+finest, (int(s.at)-1)&(1<<splits-1)
	low := uint64(1<<splits+part) << (exponent - splits)
	width := uint64(1) << (exponent - splits)
	return time.Duration(low+width/2) * time.Microsecond
}

func (s *spread) add(took time.Duration) { s.addStep(step{stepOf(took), 1}) }

func (s *spread) addAll(other spread) {
	for _, from := range other {
		s.addStep(from)
	}
}

func (s *spread) addStep(more step) {
	i, found := slices.BinarySearchFunc(*s, more.at, func(known step, at uint8) int { return int(known.at) - int(at) })
	if found {
		(*s)[i].n += more.n
	} else {
		*s = slices.Insert(*s, i, more)
	}
}

// quantile is the time that so many of all (0 to 1) did not exceed; 0 when there are none.
func (s spread) quantile(q float64) time.Duration {
	all := uint64(0)
	for _, known := range s {
		all += uint64(known.n)
	}
	rank := max(uint64(q*float64(all)+0.999999), 1)
	for _, known := range s {
		if rank <= uint64(known.n) {
			return known.middle()
		}
		rank -= uint64(known.n)
	}
	return 0
}
