package resolver

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

// outcome is how a look-up went.
type outcome int

const (
	// hit: what is remembered counts.
	hit outcome = iota
	// stale: what is remembered is used once more, while it is asked for again.
	stale
	// miss: the DNS is asked, and waited for.
	miss
	outcomes
)

var outcomeNames = [outcomes]string{"hit", "stale", "miss"}

// kind is whose names a resolver knows.
type kind int

const (
	ofInstances kind = iota
	ofOthers
	kinds
)

var kindNames = [kinds]string{"instances", "external"}

// lookups are counted for each part of the names, so that processors do not wait for each other.
var lookups [kinds][shardCount]struct {
	counts [outcomes]atomic.Uint64
	_      [40]byte // to the end of the cache line
}

var (
	lookupsDesc = prometheus.NewDesc("gatewright_resolver_lookups_total",
		"Look-ups of addresses of targets, by whose names and how it went: hit, stale (used while it is asked for again), or miss.",
		[]string{"names", "outcome"}, nil)
	questions = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gatewright_resolver_question_duration_seconds",
		Help:    "Time of questions to the DNS for addresses of targets, by whose names and what came of it.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1, 5},
	}, []string{"answer", "names"})
	questionsActive = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatewright_resolver_questions_active", Help: "Questions to the DNS that are under way.",
	})
	turnedAway = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatewright_resolver_busy_total", Help: "Look-ups that found too many questions under way, and had no address.",
	})
)

func init() {
	metrics.Registry.MustRegister(lookupCollector{}, questions, questionsActive, turnedAway)
	for _, names := range kindNames {
		for _, answer := range []string{"found", "nodata", "nxdomain", "failed"} {
			questions.WithLabelValues(answer, names)
		}
	}
}

func (r *Resolver) kind() kind {
	if r.external != nil {
		return ofOthers
	}
	return ofInstances
}

func (r *Resolver) count(e *entry, how outcome) { lookups[r.kind()][e.shard].counts[how].Add(1) }

// countQuestion counts a question that began at a time.
func (r *Resolver) countQuestion(found answer, err error, began time.Time) {
	var answer string
	switch {
	case errors.Is(err, errName) || err == nil && !found.exists:
		answer = "nxdomain"
	case err != nil:
		answer = "failed"
	case len(found.addrs) == 0:
		answer = "nodata"
	default:
		answer = "found"
	}
	questions.WithLabelValues(answer, kindNames[r.kind()]).Observe(time.Since(began).Seconds())
}

// lookupCollector tells the counts of look-ups.
type lookupCollector struct{}

// Describe tells of the family.
func (lookupCollector) Describe(to chan<- *prometheus.Desc) { to <- lookupsDesc }

// Collect adds up the parts.
func (lookupCollector) Collect(to chan<- prometheus.Metric) {
	for names := range kinds {
		for how := range outcomes {
			sum := uint64(0)
			for part := range lookups[names] {
				sum += lookups[names][part].counts[how].Load()
			}
			to <- prometheus.MustNewConstMetric(lookupsDesc, prometheus.CounterValue, float64(sum), kindNames[names], outcomeNames[how])
		}
	}
}
