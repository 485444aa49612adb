package handshake

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatewright.dev/caddy/internal/netaddr"
	"gatewright.dev/caddy/metrics"
	"gatewright.dev/caddy/table"
)

// Cause is why a handshake did not come to its end.
type Cause string

// The causes. Those that begin with "client" are the client's matter.
const (
	// NoCertificate: there is none for the name that the client asked for.
	NoCertificate Cause = "no_certificate"
	// NoSNI: the client asked for no name, and there is no certificate for that.
	NoSNI Cause = "no_sni"
	// CertificateRefused: the client does not take the certificate that it was shown.
	CertificateRefused Cause = "certificate_refused"
	// ClientCertificateMissing: one is demanded, and the client showed none.
	ClientCertificateMissing Cause = "client_certificate_missing"
	// ClientCertificateBad: it is of none of the authorities, has expired, or its signature is wrong.
	ClientCertificateBad Cause = "client_certificate_bad"
	// ClientAlert: the client ended it for another reason of its own.
	ClientAlert Cause = "client_alert"
	// ClientLeft: the client closed the connection.
	ClientLeft Cause = "client_left"
	// Version: the client speaks none that is allowed.
	Version Cause = "version"
	// Parameters: client and server have no cipher or key exchange in common.
	Parameters Cause = "parameters"
	// ALPN: the client offered protocols, and none is spoken here.
	ALPN Cause = "alpn"
	// NotTLS: what the client sent is no TLS.
	NotTLS Cause = "not_tls"
	// Timeout: it took longer than it may.
	Timeout Cause = "timeout"
	// TooMany: the connection made room for another, since too many had not said where they go.
	TooMany Cause = "too_many"
	// Broken: the client broke the protocol.
	Broken Cause = "broken"
)

var causes = []Cause{
	NoCertificate, NoSNI, CertificateRefused, ClientCertificateMissing, ClientCertificateBad, ClientAlert, ClientLeft,
	Version, Parameters, ALPN, NotTLS, Timeout, TooMany, Broken,
}

var (
	handshakes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_tls_handshakes_total",
		Help: "Handshakes of TLS over TCP that came to their end, by version and whether they resumed a session.",
	}, []string{"resumed", "version"})
	failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatewright_tls_handshake_failures_total",
		Help: "Handshakes of TLS over TCP that failed, by cause.",
	}, []string{"cause"})
	durations = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "gatewright_tls_handshake_duration_seconds",
		Help:    "Time of handshakes of TLS over TCP that came to their end.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	})
	active = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatewright_tls_handshakes_active", Help: "Handshakes of TLS over TCP that are under way.",
	})
)

func init() {
	metrics.Registry.MustRegister(handshakes, failures, durations, active)
	// Series that appear with their first count hide it from a rate.
	for _, version := range []string{"1.2", "1.3"} {
		handshakes.WithLabelValues("true", version)
		handshakes.WithLabelValues("false", version)
	}
	for _, cause := range causes {
		failures.WithLabelValues(string(cause))
	}
}

// End ends TLS on a connection whose row, where it is known before its requests, demands something of it; and counts how
// that went. A connection that lacks what is demanded has failed, though its client may think otherwise.
func (t *TLS) End(ctx context.Context, conn *tls.Conn, demanded table.Demands) error {
	began := time.Now()
	active.Inc()
	defer active.Dec()
	err := conn.HandshakeContext(ctx)
	state := conn.ConnectionState()
	if err == nil && !IsChallenge(conn) {
		err = Check(demanded, &state)
	}
	t.countIngress(conn.NetConn().LocalAddr(), state.ServerName, err == nil)
	if err != nil {
		failures.WithLabelValues(string(CauseOf(err))).Inc()
		return err
	}
	durations.Observe(time.Since(began).Seconds())
	handshakes.WithLabelValues(strconv.FormatBool(state.DidResume), strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")).Inc()
	return nil
}

// noCertificate is a handshake's error where there is no certificate for the name.
type noCertificate struct {
	asked bool
	error
}

func (e *noCertificate) Unwrap() error { return e.error }

// tellNoCertificate has a configuration's handshakes fail in a way that tells that they had no certificate.
func tellNoCertificate(config *tls.Config) {
	get := config.GetCertificate
	if get == nil {
		return
	}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		certificate, err := get(hello)
		if err != nil {
			err = &noCertificate{hello.ServerName != "", err}
		}
		return certificate, err
	}
}

// CauseOf is the word for a handshake's error.
func CauseOf(err error) Cause {
	if without, is := errors.AsType[*noCertificate](err); is {
		if without.asked {
			return NoCertificate
		}
		return NoSNI
	}
	if op, is := errors.AsType[*net.OpError](err); is && op.Op == "remote error" {
		return causeOfAlert(op.Err.Error())
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return NotTLS
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return ClientCertificateBad
	}
	for _, known := range causesByError {
		if errors.Is(err, known.err) {
			return known.cause
		}
	}
	for _, known := range causesByText {
		if strings.Contains(err.Error(), known.text) {
			return known.cause
		}
	}
	return Broken
}

var causesByError = []struct {
	err   error
	cause Cause
}{
	{ErrNoCertificate, ClientCertificateMissing},
	{ErrCertificate, ClientCertificateBad},
	{ErrVersion, Version},
	{context.DeadlineExceeded, Timeout},
	{os.ErrDeadlineExceeded, Timeout},
	{syscall.ETIMEDOUT, Timeout},
	{net.ErrClosed, TooMany},
	{io.EOF, ClientLeft},
	{io.ErrUnexpectedEOF, ClientLeft},
	{syscall.ECONNRESET, ClientLeft},
	{syscall.EPIPE, ClientLeft},
}

// causesByText are by what errors of crypto/tls say, which have no types. A test provokes each.
var causesByText = []struct {
	text  string
	cause Cause
}{
	{"unsupported versions", Version},
	{"unsupported application protocols", ALPN},
	{"didn't provide a certificate", ClientCertificateMissing},
	{"client certificate", ClientCertificateBad},
	{"supported by both client and server", Parameters},
	// A client of OpenSSL that does not take the certificate says so in TLS 1.3 without the keys that the server expects by
	// then (seen with 3.0, curl 7.88).
	{"bad record MAC", CertificateRefused},
}

// causeOfAlert is by the text of an alert, which crypto/tls has no exported numbers for.
func causeOfAlert(text string) Cause {
	switch {
	case strings.Contains(text, "certificate"):
		return CertificateRefused
	case strings.Contains(text, "protocol version"):
		return Version
	}
	return ClientAlert
}

// countIngress counts for the ingress that has the name, of several with different paths that of the highest precedence.
func (t *TLS) countIngress(local net.Addr, name string, good bool) {
	if t.hosts == nil {
		return
	}
	row, _, _ := t.hosts.LookupName(netaddr.Of(local).Port(), local, name)
	if row == nil {
		return
	}
	how := metrics.Succeeded
	if !good {
		how = metrics.Failed
	}
	metrics.Of(row).Handshake(how)
}
