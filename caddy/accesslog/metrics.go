package accesslog

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

// lineCount counts the lines of all logs of the process, and written and dropped are its two parts.
var (
	lineCount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_access_log_lines_total",
		Help: "Lines of the access log, by what became of them.",
	}, []string{"outcome"})
	written = lineCount.WithLabelValues("written")
	dropped = lineCount.WithLabelValues("dropped")
)

func init() { metrics.Registry.MustRegister(lineCount) }
