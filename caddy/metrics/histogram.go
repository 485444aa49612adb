package metrics

import "time"

// seconds are the bounds of durations: few, since each is a series of every ingress that has a name.
var seconds = []float64{0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10}

// bytes are the bounds of sizes.
var bytes = []float64{1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20}

const buckets = 9 + 1

// durations counts durations by bound.
type durations struct {
	counts [buckets]uint64
	sum    time.Duration
}

func (d *durations) observe(took time.Duration) {
	d.sum += took
	d.counts[bucketOf(took)]++
}

func bucketOf(took time.Duration) int {
	for i, bound := range bounds {
		if took <= bound {
			return i
		}
	}
	return buckets - 1
}

var bounds = func() (of [buckets - 1]time.Duration) {
	for i := range of {
		of[i] = time.Duration(seconds[i] * float64(time.Second))
	}
	return of
}()

// add adds the counts of another, times 1 or -1.
func (d *durations) add(other *durations, sign int64) {
	d.sum += time.Duration(sign) * other.sum
	for i := range d.counts {
		d.counts[i] += uint64(sign) * other.counts[i]
	}
}

// samples are the series of a histogram; none where there is nothing to tell.
func (d *durations) samples(label string) []Sample {
	if d == nil {
		return nil
	}
	sample := Sample{Labels: []string{label}, Counts: make([]uint64, buckets), Sum: d.sum.Seconds()}
	for i, count := range d.counts {
		sample.Count += count
		sample.Counts[i] = sample.Count
	}
	if sample.Count == 0 {
		return nil
	}
	return []Sample{sample}
}
