package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/tracing"
	"gatewright.dev/caddy/upstreams"
)

// attempt notes in the record of the exchange how an attempt went, or how long forward auth took.
type attempt struct {
	of    *upstreams.Request
	began time.Time
	span  *tracing.Attempt
}

// begin begins to note; there is nothing to note where the dispatcher has not been.
func begin(r *http.Request) attempt {
	of := upstreams.RequestOf(r)
	if of == nil {
		return attempt{}
	}
	return attempt{of, time.Now(), of.Trace.Attempt(r)}
}

// connected notes that a connection was opened.
func (a attempt) connected(took time.Duration) {
	if a.of == nil || a.of.Deciding() {
		return
	}
	if last := a.of.Last(); last != nil {
		last.Connect = took
	}
}

// trace has net/http tell when it opens a connection. The trace is the proxy's, which makes one for each attempt.
func (a attempt) trace(r *http.Request) {
	trace := httptrace.ContextClientTrace(r.Context())
	if a.of == nil || trace == nil {
		return
	}
	var asked time.Time
	trace.GetConn = func(string) { asked = time.Now() }
	trace.GotConn = func(got httptrace.GotConnInfo) {
		if !got.Reused {
			a.connected(time.Since(asked))
		}
	}
}

// end notes how it ended.
func (a attempt) end(res *http.Response, err error, r *http.Request) {
	if a.of == nil {
		return
	}
	var cause exchange.Failure
	if err != nil {
		cause = causeOf(err, r)
	}
	a.span.Answered(res, err, string(cause))
	if a.of.Deciding() {
		a.of.Decided()
		return
	}
	last := a.of.Last()
	if last == nil {
		return
	}
	last.Began, last.Failure = a.began.Sub(a.of.Start), cause
	if err == nil {
		last.FirstByte, last.Status = max(time.Since(a.began)-last.Connect, 1), res.StatusCode
	}
}

// causeOf is the word for why an attempt failed.
func causeOf(err error, r *http.Request) exchange.Failure {
	if r.Context().Err() != nil {
		return exchange.ClientLeft
	}
	if _, told := errors.AsType[caddyhttp.HandlerError](err); told {
		// The request cannot be passed on, or broke off.
		return exchange.ClientFailed
	}
	switch {
	case isTimeout(err):
		return exchange.Timeout
	case isOfTLS(err):
		return exchange.TLSFailed
	}
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return exchange.Reset
		}
	}
	if _, dialed := errors.AsType[reverseproxy.DialError](err); dialed {
		return causeOfDial(err.Error())
	}
	return exchange.BrokenAnswer
}

// causeOfDial reads the text, since the proxy's error keeps what is behind it to itself.
func causeOfDial(text string) exchange.Failure {
	switch {
	case strings.Contains(text, syscall.ECONNREFUSED.Error()):
		return exchange.Refused
	case strings.Contains(text, os.ErrDeadlineExceeded.Error()), strings.Contains(text, syscall.ETIMEDOUT.Error()):
		return exchange.Timeout
	}
	return exchange.Unreachable
}

// isOfTLS tells whether it is the handshake that failed, on either side.
func isOfTLS(err error) bool {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return true
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return true
	}
	op, is := errors.AsType[*net.OpError](err)
	return is && (op.Op == "remote error" || op.Op == "local error")
}
