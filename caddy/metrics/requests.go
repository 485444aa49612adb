package metrics

import (
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/exchange"
)

func init() {
	Provide(func(most Most) []Family { return families(gathering.gather(most, time.Now())) })
}

// unrouted counts the requests that no ingress took, by why.
var unrouted = func() map[exchange.Miss]*atomic.Uint64 {
	by := make(map[exchange.Miss]*atomic.Uint64)
	for _, miss := range exchange.Misses {
		by[miss] = new(atomic.Uint64)
	}
	return by
}()

// Observe counts what belongs to no ingress of an exchange that has ended.
func Observe(e *exchange.Exchange) {
	if count := unrouted[e.Miss]; count != nil {
		count.Add(1)
	}
	if e.Row == nil {
		return
	}
	received.observe(e.Received.Load())
	sent.observe(e.Sent.Load())
	if len(e.Attempts) == 0 {
		return
	}
	selection.observe(int64(e.Selection))
	for i := range e.Attempts {
		if took := e.Attempts[i].Connect; took > 0 {
			connect.observe(int64(took))
		}
	}
}

// What all ingresses have together.
var (
	received  = newHistogram("request_size_bytes", "Bytes of the bodies of requests to ingresses.", bytes, 1)
	sent      = newHistogram("response_size_bytes", "Bytes of the bodies of answers of ingresses.", bytes, 1)
	selection = newHistogram("upstream_selection_duration_seconds",
		"Time in which the address of a request was chosen, that of waiting for one included.", seconds, float64(time.Second))
	connect = newHistogram("upstream_connect_duration_seconds",
		"Time in which a connection to an instance was opened.", seconds, float64(time.Second))
)

// series is a family of which each label has some.
type series struct {
	name, kind, help string
	labels           []string
	bounds           []float64
	of               func(t *told) []Sample
}

// byIngress are the families with a label for the ingress.
var byIngress = []series{
	{"requests_total", "counter", "Requests that ingresses took, by class of method (safe: GET, HEAD, OPTIONS, TRACE), status and version of HTTP.",
		[]string{"ingress", "method_class", "status", "protocol"}, nil, func(t *told) (s []Sample) {
			for _, c := range t.counts.requests {
				s = append(s, Sample{Labels: c.key.labels(t.label), Value: float64(c.count)})
			}
			return s
		}},
	{"request_duration_seconds", "histogram", "Time to answer requests, from their head to the end of the answer; of a tunnel to its begin.",
		[]string{"ingress"}, seconds, func(t *told) []Sample { return t.counts.duration.samples(t.label) }},
	{"requests_in_flight", "gauge", "Requests under way, tunnels included.",
		[]string{"ingress"}, nil, func(t *told) []Sample { return []Sample{{Labels: []string{t.label}, Value: float64(t.active)}} }},
	{"request_bytes_total", "counter", "Bytes of the bodies of requests, and from clients of tunnels.",
		[]string{"ingress"}, nil, func(t *told) []Sample { return one(t.label, t.counts.received) }},
	{"response_bytes_total", "counter", "Bytes of the bodies of answers, and to clients of tunnels.",
		[]string{"ingress"}, nil, func(t *told) []Sample { return one(t.label, t.counts.sent) }},
	{"refused_requests_total", "counter", "Requests that a policy turned away.",
		[]string{"ingress", "policy"}, nil, func(t *told) []Sample { return counted(t.label, t.counts.refusals) }},
	{"forward_auth_duration_seconds", "histogram", "Time in which forward auth decided.",
		[]string{"ingress"}, seconds, func(t *told) []Sample { return t.counts.decision.samples(t.label) }},
	{"upstream_first_byte_duration_seconds", "histogram", "Time from sending a request to an instance to the head of its answer.",
		[]string{"ingress"}, seconds, func(t *told) []Sample { return t.counts.firstByte.samples(t.label) }},
	{"upstream_errors_total", "counter", "Attempts to have an instance answer that failed, and requests without an address, by cause.",
		[]string{"ingress", "cause"}, nil, func(t *told) []Sample { return counted(t.label, t.counts.errors) }},
	{"upstream_retries_total", "counter", "Attempts after the first.",
		[]string{"ingress"}, nil, func(t *told) []Sample { return one(t.label, t.counts.retries) }},
	{"upstream_ejections_total", "counter", "Addresses that were left out after failed checks or requests.",
		[]string{"ingress", "by"}, nil, func(t *told) []Sample { return counted(t.label, t.counts.ejections) }},
	{"tls_ingress_handshakes_total", "counter", "Handshakes of TLS over TCP for a name of an ingress, by outcome.",
		[]string{"ingress", "outcome"}, nil, func(t *told) []Sample { return counted(t.label, t.counts.handshakes) }},
}

// one is a series; none where there is nothing to tell.
func one(label string, count uint64) []Sample {
	if count == 0 {
		return nil
	}
	return []Sample{{Labels: []string{label}, Value: float64(count)}}
}

func counted[K ~string](label string, tallied tally[K]) (s []Sample) {
	for _, t := range tallied {
		s = append(s, Sample{Labels: []string{label, string(t.key)}, Value: float64(t.count)})
	}
	return s
}

// families are those of requests.
func families(all []told) []Family {
	list := make([]Family, 0, len(byIngress)+5)
	for _, series := range byIngress {
		family := Family{Name: prefix + series.name, Help: series.help, Type: series.kind, Labels: series.labels, Bounds: series.bounds, Samples: []Sample{}}
		for i := range all {
			if series.kind == "histogram" && !all[i].timed {
				continue
			}
			family.Samples = append(family.Samples, series.of(&all[i])...)
		}
		list = append(list, family)
	}
	misses := Family{Name: prefix + "unrouted_requests_total", Type: "counter", Labels: []string{"reason"}, Samples: []Sample{},
		Help: "Requests that no ingress took, by the first thing that set them apart from the rule that came nearest."}
	for _, miss := range exchange.Misses {
		misses.Samples = append(misses.Samples, Sample{Labels: []string{string(miss)}, Value: float64(unrouted[miss].Load())})
	}
	list = append(list, misses)
	for _, h := range []*histogram{received, sent, selection, connect} {
		list = append(list, h.family())
	}
	return list
}

const prefix = "gatewright_"

// histogram has one series, which many goroutines observe.
type histogram struct {
	name, help string
	bounds     []float64
	// unit is that of what is observed, in units of the bounds.
	unit   float64
	limits []int64
	counts []atomic.Uint64
	sum    atomic.Int64
}

func newHistogram(name, help string, bounds []float64, unit float64) *histogram {
	h := &histogram{name: name, help: help, bounds: bounds, unit: unit, counts: make([]atomic.Uint64, len(bounds)+1)}
	for _, bound := range bounds {
		h.limits = append(h.limits, int64(bound*unit))
	}
	return h
}

func (h *histogram) observe(value int64) {
	at := 0
	for at < len(h.limits) && value > h.limits[at] {
		at++
	}
	h.counts[at].Add(1)
	h.sum.Add(value)
}

func (h *histogram) family() Family {
	sample := Sample{Labels: []string{}, Sum: float64(h.sum.Load()) / h.unit}
	for at := range h.counts {
		sample.Count += h.counts[at].Load()
		sample.Counts = append(sample.Counts, sample.Count)
	}
	return Family{Name: prefix + h.name, Help: h.help, Type: "histogram", Labels: []string{}, Bounds: h.bounds, Samples: []Sample{sample}}
}
