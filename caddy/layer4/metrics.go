package layer4

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

var (
	failuresByCause = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_layer4_failures_total",
		Help: "Connections and UDP sessions of rules that failed, by cause.",
	}, []string{"cause"})
	unrouted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_layer4_unrouted_connections_total",
		Help: "Connections that were closed before a rule or an HTTP server had them, by cause.",
	}, []string{"cause"})
	durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gatewright_layer4_connection_duration_seconds",
		Help:    "How long connections and UDP sessions of rules were open, by protocol.",
		Buckets: []float64{.1, 1, 5, 10, 30, 60, 300, 600, 3600, 6 * 3600, 24 * 3600},
	}, []string{"protocol"})
	evictions = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatewright_layer4_udp_evictions_total",
		Help: "UDP sessions that made room for others.",
	})
)

func init() {
	metrics.Registry.MustRegister(failuresByCause, unrouted, durations, evictions, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatewright_layer4_udp_sessions", Help: "UDP sessions that are open.",
	}, func() float64 { return float64(sessionsOpen.Load()) }))
	// Series that appear with their first count hide it from a rate.
	for _, cause := range failureWords {
		failuresByCause.WithLabelValues(string(cause))
	}
	for _, cause := range missWords {
		unrouted.WithLabelValues(string(cause))
	}
	for _, protocol := range []string{"tls", "tcp", "udp"} {
		durations.WithLabelValues(protocol)
	}
	metrics.Provide(func(most metrics.Most) []metrics.Family { return families(ruleSeries.tell(most.Ingresses)) })
}

// series are what a rule has of its own, by the index of told.counts.
var series = [countsOfRule]struct{ name, kind, help string }{
	countActive:   {"connections_active", "gauge", "Connections and UDP sessions that are open."},
	countTotal:    {"connections_total", "counter", "Connections and UDP sessions."},
	countFailed:   {"connections_failed_total", "counter", "Those that found no target, or whose TLS failed."},
	countRefused:  {"connections_refused_total", "counter", "Those that policies.access turned away."},
	countReceived: {"received_bytes_total", "counter", "Bytes from clients."},
	countSent:     {"sent_bytes_total", "counter", "Bytes to clients."},
	countSeconds:  {"connection_seconds_total", "counter", "How long connections and UDP sessions were open that have ended, all together."},
}

func families(all []told) []metrics.Family {
	families := make([]metrics.Family, 0, len(series))
	for at, one := range series {
		family := metrics.Family{
			Name: "gatewright_layer4_" + one.name, Help: one.help, Type: one.kind, Labels: []string{"ingress", "rule"},
			Samples: make([]metrics.Sample, 0, len(all)),
		}
		for _, of := range all {
			family.Samples = append(family.Samples, metrics.Sample{Labels: []string{of.ingress, of.rule}, Value: of.counts[at]})
		}
		families = append(families, family)
	}
	return families
}
