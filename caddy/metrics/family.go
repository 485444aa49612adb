package metrics

// Other is the label of all ingresses that have no series of their own.
const Other = "_other"

// Family is a metric with all its series.
type Family struct {
	// Name is that of Prometheus, with the unit, and `_total` for a counter.
	Name string `json:"name"`
	Help string `json:"help"`
	// Type is "counter", "gauge" or "histogram".
	Type string `json:"type"`
	// Labels are the names of the values in Sample.Labels.
	Labels []string `json:"labels"`
	// Bounds are a histogram's, without the infinite one.
	Bounds  []float64 `json:"bounds,omitempty"`
	Samples []Sample  `json:"samples"`
}

// Sample is one series.
type Sample struct {
	Labels []string `json:"l"`
	// Value is a counter's or a gauge's.
	Value float64 `json:"v"`
	// Counts are a histogram's: how many are no greater than each bound, and at last how many there are.
	Counts []uint64 `json:"c,omitempty"`
	Sum    float64  `json:"s,omitempty"`
	Count  uint64   `json:"n,omitempty"`
}
