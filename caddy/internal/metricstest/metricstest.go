// Package metricstest tells tests which metrics moved.
package metricstest

import (
	"maps"
	"strings"
	"testing"

	"gatewright.dev/caddy/metrics"
)

// Series are values by the name of the family, without `gatewright_`, and the values of its labels in braces; of a
// histogram how many there are.
type Series map[string]float64

// Read is what all families tell now that begin with a prefix, as with "tls_".
func Read(t testing.TB, prefix string) Series {
	t.Helper()
	families, err := metrics.Gather(metrics.Most{Ingresses: 1000, Histograms: 1000})
	if err != nil {
		t.Fatal(err)
	}
	series := make(Series)
	for _, family := range families {
		name := strings.TrimPrefix(family.Name, "gatewright_")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, sample := range family.Samples {
			value := sample.Value
			if family.Type == "histogram" {
				value = float64(sample.Count)
			}
			key := name
			if len(sample.Labels) > 0 {
				key += "{" + strings.Join(sample.Labels, ",") + "}"
			}
			series[key] = value
		}
	}
	return series
}

// Since are the series that are others than before, by how much.
func (before Series) Since(t testing.TB, prefix string) Series {
	t.Helper()
	moved := make(Series)
	for key, value := range Read(t, prefix) {
		if value != before[key] {
			moved[key] = value - before[key]
		}
	}
	return moved
}

// Expect demands that exactly these have moved.
func (before Series) Expect(t testing.TB, prefix string, want Series) {
	t.Helper()
	if got := before.Since(t, prefix); !maps.Equal(got, want) {
		t.Errorf("moved: %v\n want: %v", got, want)
	}
}
