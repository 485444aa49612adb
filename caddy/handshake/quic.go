package handshake

import (
	"crypto/tls"
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/metrics"
)

var (
	quicHandshakes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_quic_handshakes_total",
		Help: "Handshakes of HTTP/3 whose hello was answered, whether or not the client went on, by whether they resumed a session.",
	}, []string{"resumed"})
	quicFailures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_quic_handshake_failures_total",
		Help: "Handshakes of HTTP/3 whose hello was not answered, by cause.",
	}, []string{"cause"})
)

func init() {
	metrics.Registry.MustRegister(quicHandshakes, quicFailures)
	for _, resumed := range []bool{false, true} {
		quicHandshakes.WithLabelValues(strconv.FormatBool(resumed))
	}
	for _, cause := range []Cause{NoCertificate, NoSNI} {
		quicFailures.WithLabelValues(string(cause))
	}
}

// CountQUIC has the handshakes of QUIC by a configuration be counted, before it is used. They are Caddy's, which tells
// nothing of them, so that what crypto/tls asks for on the way has to do: it knows of no client that goes no further.
func CountQUIC(config *tls.Config) {
	tellNoCertificate(config)
	if get := config.GetCertificate; get != nil {
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			certificate, err := get(hello)
			if without, is := errors.AsType[*noCertificate](err); is {
				quicFailures.WithLabelValues(string(CauseOf(without))).Inc()
			}
			return certificate, err
		}
	}
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		quicHandshakes.WithLabelValues(strconv.FormatBool(state.DidResume)).Inc()
		return nil
	}
}
