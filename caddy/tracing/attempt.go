package tracing

import (
	"io"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attempt is a question to an instance. Its methods do nothing for a nil one.
type Attempt struct{ span trace.Span }

// Answered has the span end with the answer's body, or at once where it has none that is only read. cause is why there is no
// answer, in a word.
func (a *Attempt) Answered(res *http.Response, err error, cause string) {
	switch {
	case a == nil:
	case err != nil:
		a.span.SetAttributes(semconv.ErrorTypeKey.String(cause))
		a.span.SetStatus(codes.Error, cause)
		a.span.End()
	default:
		a.span.SetAttributes(
			semconv.HTTPResponseStatusCode(res.StatusCode),
			semconv.NetworkProtocolVersion(versionOf(res.ProtoMajor, res.ProtoMinor)),
		)
		if res.StatusCode >= 400 {
			a.span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(res.StatusCode)))
			a.span.SetStatus(codes.Error, "")
		}
		if res.Body == nil || res.Body == http.NoBody || res.StatusCode == http.StatusSwitchingProtocols {
			a.span.End()
			return
		}
		res.Body = &body{res.Body, a.span}
	}
}

// body is an answer's body that ends a span.
type body struct {
	io.ReadCloser
	span trace.Span
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.span.End()
	return err
}
