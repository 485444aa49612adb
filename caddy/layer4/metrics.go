package layer4

import (
	"cmp"
	"strings"
	"sync/atomic"
	"time"

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
	evictions = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gatewright_layer4_udp_evictions_total",
		Help: "UDP sessions that made room for others.",
	})
)

func init() {
	metrics.Registry.MustRegister(failuresByCause, unrouted, evictions, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatewright_layer4_udp_sessions", Help: "UDP sessions that are open.",
	}, func() float64 { return float64(sessionsOpen.Load()) }))
	// Series that appear with their first count hide it from a rate.
	for _, cause := range failureWords {
		failuresByCause.WithLabelValues(string(cause))
	}
	for _, cause := range missWords {
		unrouted.WithLabelValues(string(cause))
	}
	metrics.Provide(func(most int) []metrics.Family { return families(countedRules(), most) })
}

// durationBounds are few, since each rule has them.
var durationBounds = [...]time.Duration{
	100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour,
}

// durations are how long connections were open.
type durations struct {
	// counts are how many were no longer than each bound and longer than the one before; the last is of all longer ones.
	counts [len(durationBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (d *durations) observe(took time.Duration) {
	at := 0
	for at < len(durationBounds) && took > durationBounds[at] {
		at++
	}
	d.counts[at].Add(1)
	d.sum.Add(int64(took))
}

// counted is what is told of one rule, or of several together.
type counted struct {
	ingress, rule                  string
	active, total, failed, refused uint64
	received, sent                 uint64
	durations                      [len(durationBounds) + 1]uint64
	seconds                        float64
}

// countedRules are the rules that have had a connection.
func countedRules() (all []counted) {
	eachRule(func(id string, of *rule) {
		ingress := of.ingress.Load()
		if ingress == nil {
			return
		}
		_, number, _ := strings.Cut(id, "/")
		told := counted{
			ingress: *ingress, rule: number, active: of.active.Load(), total: of.total.Load(), failed: of.failed.Load(),
			refused: of.refused.Load(), received: of.received.Load(), sent: of.sent.Load(),
			seconds: time.Duration(of.durations.sum.Load()).Seconds(),
		}
		for i := range told.durations {
			told.durations[i] = of.durations.counts[i].Load()
		}
		all = append(all, told)
	})
	return all
}

func (c *counted) add(other *counted) {
	c.active += other.active
	c.total += other.total
	c.failed += other.failed
	c.refused += other.refused
	c.received += other.received
	c.sent += other.sent
	c.seconds += other.seconds
	for i, n := range other.durations {
		c.durations[i] += n
	}
}

// busiest are the rules with the most connections, and the others as one.
func busiest(all []counted, most int) []counted {
	if len(all) <= most {
		return all
	}
	totals := make(map[string]uint64, len(all))
	key := func(c *counted) string { return c.ingress + "/" + c.rule }
	for i := range all {
		totals[key(&all[i])] = all[i].total
	}
	named := metrics.Busiest(totals, most)
	told, others := make([]counted, 0, most+1), counted{ingress: metrics.Other, rule: metrics.Other}
	for i := range all {
		if named[key(&all[i])] {
			told = append(told, all[i])
		} else {
			others.add(&all[i])
		}
	}
	return append(told, others)
}

// durationShare is how many fewer rules have durations of their own than counts: each has one series for each bound.
const durationShare = 10

func families(all []counted, most int) []metrics.Family {
	rulesTold := busiest(all, most)
	family := func(name, kind, help string, value func(*counted) uint64) metrics.Family {
		samples := make([]metrics.Sample, len(rulesTold))
		for i := range rulesTold {
			one := &rulesTold[i]
			samples[i] = metrics.Sample{Labels: []string{one.ingress, one.rule}, Value: float64(value(one))}
		}
		return metrics.Family{
			Name: "gatewright_layer4_" + name, Help: help, Type: kind, Labels: []string{"ingress", "rule"}, Samples: samples,
		}
	}
	return []metrics.Family{
		family("connections_active", "gauge", "Connections and UDP sessions that are open.", func(c *counted) uint64 { return c.active }),
		family("connections_total", "counter", "Connections and UDP sessions.", func(c *counted) uint64 { return c.total }),
		family("connections_failed_total", "counter", "Those that found no target, or whose TLS failed.", func(c *counted) uint64 { return c.failed }),
		family("connections_refused_total", "counter", "Those that policies.access turned away.", func(c *counted) uint64 { return c.refused }),
		family("received_bytes_total", "counter", "Bytes from clients.", func(c *counted) uint64 { return c.received }),
		family("sent_bytes_total", "counter", "Bytes to clients.", func(c *counted) uint64 { return c.sent }),
		durationFamily(busiest(all, cmp.Or(most/durationShare, min(most, 1)))),
	}
}

func durationFamily(told []counted) metrics.Family {
	family := metrics.Family{
		Name: "gatewright_layer4_connection_duration_seconds",
		Help: "How long connections and UDP sessions were open; of a tenth as many rules as have other series.",
		Type: "histogram", Labels: []string{"ingress", "rule"}, Samples: make([]metrics.Sample, 0, len(told)),
	}
	for _, bound := range durationBounds {
		family.Bounds = append(family.Bounds, bound.Seconds())
	}
	for i := range told {
		sample := metrics.Sample{Labels: []string{told[i].ingress, told[i].rule}, Sum: told[i].seconds}
		for _, n := range told[i].durations {
			sample.Count += n
			sample.Counts = append(sample.Counts, sample.Count)
		}
		family.Samples = append(family.Samples, sample)
	}
	return family
}
