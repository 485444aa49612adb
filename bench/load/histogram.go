package main

import (
	"math/bits"
	"time"
)

// subBits is the number of bits kept of a duration: values are exact to 1/128.
const subBits = 7

// histogram counts durations in buckets whose width grows with the value, as HDR histograms do. The zero value is
// empty. Not safe for concurrent use; each worker has its own and they are added at the end.
type histogram struct {
	counts [64 << subBits]uint64
	total  uint64
	max    time.Duration
}

func bucketOf(nanoseconds uint64) int {
	shift := bits.Len64(nanoseconds) - subBits - 1
	if shift < 0 {
		return int(nanoseconds)
	}
	return (shift+1)<<subBits + int(nanoseconds>>shift) - 1<<subBits
}

// upperBound is the largest value of a bucket.
func upperBound(bucket int) uint64 {
	shift := bucket>>subBits - 1
	if shift < 0 {
		return uint64(bucket)
	}
	return (uint64(bucket&(1<<subBits-1))+1<<subBits+1)<<shift - 1
}

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

func (h *histogram) add(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// quantile is the value that a fraction q of all values does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q*float64(h.total) + 0.999999)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(time.Duration(upperBound(i)), h.max)
		}
	}
	return h.max
}

// latency is a histogram's summary, in microseconds.
type latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (h *histogram) summary() latency {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	return latency{us(h.quantile(0.5)), us(h.quantile(0.9)), us(h.quantile(0.99)), us(h.max)}
}
