package metrics

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// isolated gives a test a registry and providers of its own.
func isolated(t *testing.T) {
	t.Helper()
	registry, before := Registry, providers
	Registry, providers = prometheus.NewRegistry(), nil
	t.Cleanup(func() { Registry, providers = registry, before })
}

func gathered(t *testing.T, ingresses int) string {
	t.Helper()
	families, err := Gather(Most{Ingresses: ingresses})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(families)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFamiliesOfTheRegistry(t *testing.T) {
	isolated(t)
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c_total", Help: "A counter."}, []string{"z", "a"})
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "b", Help: "A gauge."})
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "a_seconds", Help: "A histogram.", Buckets: []float64{0.1, 1}})
	Registry.MustRegister(counter, gauge, histogram)
	counter.WithLabelValues("zed", "ay").Add(2)
	gauge.Set(-1)
	for _, seconds := range []float64{0.05, 0.5, 5} {
		histogram.Observe(seconds)
	}
	want := `[{"name":"a_seconds","help":"A histogram.","type":"histogram","labels":[],"bounds":[0.1,1],"samples":[{"l":[],"v":0,"c":[1,2,3],"s":5.55,"n":3}]},` +
		`{"name":"b","help":"A gauge.","type":"gauge","labels":[],"samples":[{"l":[],"v":-1}]},` +
		`{"name":"c_total","help":"A counter.","type":"counter","labels":["a","z"],"samples":[{"l":["ay","zed"],"v":2}]}]`
	if got := gathered(t, 0); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	gauge.Set(math.NaN())
	if got := gathered(t, 0); !strings.Contains(got, `"name":"b","help":"A gauge.","type":"gauge","labels":[],"samples":[]`) {
		t.Errorf("without a number: %s", got)
	}
}

func TestProvidersAreToldHowManyIngressesHaveNames(t *testing.T) {
	isolated(t)
	asked := 0
	Provide(func(most Most) []Family {
		asked = most.Ingresses
		return []Family{{Name: "p", Type: "gauge", Labels: []string{}, Samples: []Sample{}}}
	})
	if got := gathered(t, 7); asked != 7 || got != `[{"name":"p","help":"","type":"gauge","labels":[],"samples":[]}]` {
		t.Errorf("asked for %d: %s", asked, got)
	}
}
