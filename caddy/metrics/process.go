package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// processPrefix sets this process's memory, descriptors and threads apart from those of the manager, whose names are without.
const processPrefix = "gatewright_caddy_"

func init() {
	prefixed := prometheus.WrapRegistererWithPrefix(processPrefix, Registry)
	prefixed.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()),
	)
}
