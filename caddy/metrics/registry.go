package metrics

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Registry has the families of this process whose series are few, whatever is served. It is not Caddy's own, so that the
// process has no families but ours, and no configuration that ends takes one away.
var Registry = prometheus.NewRegistry()

// Provider tells families of which only so many ingresses have series of their own.
type Provider func(most Most) []Family

var (
	providersMu sync.Mutex
	providers   []Provider
)

// Provide adds a provider, for as long as the process runs.
func Provide(p Provider) {
	providersMu.Lock()
	defer providersMu.Unlock()
	providers = append(providers, p)
}

// Gather is all there is, by name.
func Gather(most Most) ([]Family, error) {
	gathered, err := Registry.Gather()
	if err != nil {
		return nil, err
	}
	families := make([]Family, 0, len(gathered))
	for _, family := range gathered {
		if told := familyOf(family); told.Type != "" {
			families = append(families, told)
		}
	}
	providersMu.Lock()
	all := slices.Clone(providers)
	providersMu.Unlock()
	for _, provide := range all {
		families = append(families, provide(most)...)
	}
	slices.SortFunc(families, func(a, b Family) int { return cmp.Compare(a.Name, b.Name) })
	return families, nil
}

// familyOf is a family of client_golang; its type is "" where it is none of the three.
func familyOf(from *dto.MetricFamily) Family {
	to := Family{Name: from.GetName(), Help: from.GetHelp(), Labels: []string{}, Samples: make([]Sample, 0, len(from.Metric))}
	for _, metric := range from.Metric {
		sample := Sample{Labels: make([]string, 0, len(metric.Label))}
		for _, label := range metric.Label {
			sample.Labels = append(sample.Labels, label.GetValue())
		}
		if len(to.Samples) == 0 {
			for _, label := range metric.Label {
				to.Labels = append(to.Labels, label.GetName())
			}
		}
		switch {
		case metric.Counter != nil:
			to.Type, sample.Value = "counter", metric.Counter.GetValue()
		case metric.Gauge != nil:
			to.Type, sample.Value = "gauge", metric.Gauge.GetValue()
		case metric.Histogram != nil:
			to.Type = "histogram"
			to.Bounds = to.Bounds[:0]
			for _, bucket := range metric.Histogram.Bucket {
				if !math.IsInf(bucket.GetUpperBound(), 1) {
					to.Bounds = append(to.Bounds, bucket.GetUpperBound())
					sample.Counts = append(sample.Counts, bucket.GetCumulativeCount())
				}
			}
			sample.Sum, sample.Count = metric.Histogram.GetSampleSum(), metric.Histogram.GetSampleCount()
			sample.Counts = append(sample.Counts, sample.Count)
		}
		// JSON has no number for these.
		if !math.IsNaN(sample.Value+sample.Sum) && !math.IsInf(sample.Value+sample.Sum, 0) {
			to.Samples = append(to.Samples, sample)
		}
	}
	return to
}
