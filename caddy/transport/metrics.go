package transport

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

// open are the connections to instances, and resting the idle ones of them.
var open, resting atomic.Int64

func init() {
	for state, count := range map[string]func() int64{
		"idle":   resting.Load,
		"in_use": func() int64 { return open.Load() - resting.Load() },
	} {
		metrics.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatewright_upstream_connections", Help: "Connections of HTTP/1.1 to instances, by what they do.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(max(count(), 0)) }))
	}
}
