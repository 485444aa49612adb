package certificates

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

var (
	ordersBegun = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_certificate_orders_begun_total",
		Help: "Certificates that were asked for, by whether it was a renewal; each try counts.",
	}, []string{"renewal"})
	ordersIssued = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_certificate_orders_issued_total", Help: "Certificates that were issued, by whether it was a renewal.",
	}, []string{"renewal"})
	ordersFailed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_certificate_orders_failed_total",
		Help: "Tries to get a certificate that failed, by cause: the word that the authority has for it (RFC 8555 section 6.7), or one of ours.",
	}, []string{"cause", "renewal"})
	orderDurations = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "gatewright_certificate_order_duration_seconds", Help: "Time from a try's begin to the certificate.",
		Buckets: []float64{.01, .1, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
	})
)

func init() {
	metrics.Registry.MustRegister(ordersBegun, ordersIssued, ordersFailed, orderDurations)
	for _, renewal := range renewals {
		ordersBegun.WithLabelValues(renewal)
		ordersIssued.WithLabelValues(renewal)
		for _, cause := range append(slices.Clone(authoritysWords), unreachable, timeout, otherCause) {
			ordersFailed.WithLabelValues(cause, renewal)
		}
	}
}

var renewals = map[bool]string{false: "false", true: "true"}

// authoritysWords are those of ACME's errors that orders meet. Others are told as otherCause: an authority could make up any.
var authoritysWords = []string{
	"accountDoesNotExist", "badNonce", "caa", "connection", "dns", "externalAccountRequired", "incorrectResponse", "malformed",
	"rateLimited", "rejectedIdentifier", "serverInternal", "tls", "unauthorized", "userActionRequired",
}

const (
	// unreachable: there is no connection with the authority.
	unreachable = "authority_unreachable"
	timeout     = "timeout"
	otherCause  = "other"
)

// causeOf is the word for why there is no certificate.
func causeOf(err error) string {
	if problem, is := errors.AsType[acme.Problem](err); is {
		// One of several names has failed, or the order's only one.
		kinds := []string{problem.Type}
		for _, part := range problem.Subproblems {
			kinds = append(kinds, part.Type)
		}
		for _, kind := range kinds {
			if word := strings.TrimPrefix(kind, acme.ProblemTypeNamespace); slices.Contains(authoritysWords, word) {
				return word
			}
		}
		return otherCause
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return timeout
	}
	if asked, is := errors.AsType[*url.Error](err); is && asked.Timeout() {
		return timeout
	} else if is {
		return unreachable
	}
	if _, is := errors.AsType[*net.OpError](err); is {
		return unreachable
	}
	return otherCause
}

// countIssued counts a certificate, and how long the try took that is known of.
func countIssued(renewal bool, known *attempt, at time.Time) {
	ordersIssued.WithLabelValues(renewals[renewal]).Inc()
	if known != nil && known.TryingSince != nil {
		orderDurations.Observe(at.Sub(*known.TryingSince).Seconds())
	}
}
