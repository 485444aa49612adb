package layer4

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/targets"
)

// clientTLS is of a connection of a rule whose TLS with the client failed, or lacks what the rule demands. Other failures
// have the words of requests.
const clientTLS exchange.Failure = "client_tls"

var failureWords = []exchange.Failure{
	exchange.Refused, exchange.Timeout, exchange.Unreachable, exchange.Reset, exchange.TLSFailed, exchange.NoAddress, exchange.Unanswered,
	exchange.Guarded, exchange.Drained, exchange.Paused, exchange.Unhealthy, exchange.Full, clientTLS, exchange.OtherFailure,
}

// miss is why nobody takes a connection.
type miss string

const (
	missName   miss = "name"
	missSNI    miss = "no_sni"
	notTLS     miss = "not_tls"
	badHello   miss = "broken_hello"
	badHeader  miss = "proxy_header"
	tooMany    miss = "too_many"
	timeout    miss = "timeout"
	clientLeft miss = "client_left"
	otherMiss  miss = "other"
)

var missWords = []miss{missName, missSNI, notTLS, badHello, badHeader, tooMany, timeout, clientLeft, otherMiss}

// failed is an error whose word its place tells.
type failed struct {
	failure exchange.Failure
	error
}

func (f *failed) Unwrap() error { return f.error }

// failureOf is the word for why a connection of a rule failed.
func failureOf(err error) exchange.Failure {
	if told, ok := errors.AsType[*failed](err); ok {
		return told.failure
	}
	return wordFor(err, failures, exchange.OtherFailure)
}

// withoutAddress is the error of a search that found no address.
func withoutAddress(err error) error { return &failed{targets.Cause(err), err} }

// missOf is the word for why nobody takes a connection.
func missOf(err error) miss { return wordFor(err, misses, otherMiss) }

type wordOf[Word any] struct {
	err  error
	word Word
}

var failures = []wordOf[exchange.Failure]{
	{errFull, exchange.Full},
	{syscall.ECONNREFUSED, exchange.Refused},
	{os.ErrDeadlineExceeded, exchange.Timeout}, {context.DeadlineExceeded, exchange.Timeout}, {syscall.ETIMEDOUT, exchange.Timeout},
	{syscall.EHOSTUNREACH, exchange.Unreachable}, {syscall.ENETUNREACH, exchange.Unreachable},
	{syscall.ECONNRESET, exchange.Reset}, {syscall.EPIPE, exchange.Reset}, {io.EOF, exchange.Reset},
}

// In the order in which they are asked.
var misses = []wordOf[miss]{
	{errNoName, missSNI}, {errNoRow, missName}, {errTooMany, tooMany}, {errHello, badHello}, {errNotTLS, notTLS},
	{errProxy, badHeader}, {errBadProxy, badHeader}, {os.ErrDeadlineExceeded, timeout},
	{io.EOF, clientLeft}, {io.ErrUnexpectedEOF, clientLeft}, {syscall.ECONNRESET, clientLeft}, {net.ErrClosed, tooMany},
}

// wordFor is that of the first error that it is.
func wordFor[Word any](err error, known []wordOf[Word], otherwise Word) Word {
	for _, one := range known {
		if errors.Is(err, one.err) {
			return one.word
		}
	}
	return otherwise
}
