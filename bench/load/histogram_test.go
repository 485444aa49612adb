package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsAreContiguousAndExactToOnePercent(t *testing.T) {
	for _, n := range []uint64{0, 1, 127, 128, 129, 255, 256, 1000, 65_535, 65_536, 1e6, 1e9, 1e12} {
		bucket := bucketOf(n)
		upper := upperBound(bucket)
		if upper < n || float64(upper-n) > float64(n)/100 {
			t.Errorf("%d is in bucket %d, which ends at %d", n, bucket, upper)
		}
		if bucketOf(upper) != bucket || bucketOf(upper+1) != bucket+1 {
			t.Errorf("bucket %d ends at %d, but its neighbour begins elsewhere", bucket, upper)
		}
	}
}

func TestQuantilesAreThoseOfTheSortedValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var first, second histogram
	values := make([]time.Duration, 10_000)
	for i := range values {
		values[i] = time.Duration(random.ExpFloat64() * 1e6)
		if i%2 == 0 {
			first.record(values[i])
		} else {
			second.record(values[i])
		}
	}
	first.add(&second)
	slices.Sort(values)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := values[int(q*float64(len(values)))-1]
		got := first.quantile(q)
		if got < want || float64(got-want) > float64(want)/100+1 {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
}
