package tracing

import (
	"context"
	"net"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"gatewright.dev/caddy/internal/netaddr"
)

// Request is a request's part of a trace. Its methods do nothing for a nil one, which stands for a request without a trace.
// It belongs to the goroutine that serves the request.
type Request struct {
	tracer trace.Tracer
	ctx    context.Context
	span   trace.Span
	// policies is the span of the policies while these run, and attempts how often an instance was asked since.
	policies trace.Span
	attempts int
}

// Begin starts the span of a request that has come in, and has its headers tell the instance of it. trusted tells that a
// trusted proxy sent it.
func (t *Tracer) Begin(r *http.Request, trusted bool) *Request {
	carrier := propagation.HeaderCarrier(r.Header)
	ctx := propagator.Extract(context.Background(), carrier)
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() && !trusted && !t.trustParents {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: parent}))
		delete(r.Header, "Tracestate")
	}
	q := &Request{tracer: t.pipeline.tracer}
	q.ctx, q.span = q.tracer.Start(ctx, methodOf(r), options...)
	propagator.Inject(q.ctx, carrier)
	if q.span.IsRecording() {
		q.span.SetAttributes(requestAttributes(r)...)
	}
	return q
}

// TraceID names the trace, also where it is not sampled; "" for no request.
func (q *Request) TraceID() string {
	if q == nil {
		return ""
	}
	return q.span.SpanContext().TraceID().String()
}

// Recording tells whether the request is sampled.
func (q *Request) Recording() bool { return q != nil && q.span.IsRecording() }

// Policies starts the span of the policies, which ends when an address is looked for, or with the request.
func (q *Request) Policies() {
	if q.Recording() {
		_, q.policies = q.tracer.Start(q.ctx, "policies")
	}
}

// Refused tells that the policies have turned the request away.
func (q *Request) Refused(policy, reason string) {
	if q == nil || q.policies == nil {
		return
	}
	q.policies.AddEvent("refused", trace.WithAttributes(
		attribute.String("gatewright.policy", policy), attribute.String("gatewright.reason", reason)))
}

func (q *Request) endPolicies() {
	if q.policies != nil {
		q.policies.End()
		q.policies = nil
	}
}

// Select starts the span of looking for an address; nil where there is none to be.
func (q *Request) Select() *Selection {
	if !q.Recording() {
		return nil
	}
	q.endPolicies()
	_, span := q.tracer.Start(q.ctx, "select")
	return &Selection{span}
}

// Attempt starts the span of a question to an instance, or to forward auth while policies run, and has the question's
// headers tell of it.
func (q *Request) Attempt(r *http.Request) *Attempt {
	if !q.Recording() {
		return nil
	}
	ctx := q.ctx
	attributes := []attribute.KeyValue{
		methodAttribute(r), semconv.URLFull(r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath()),
	}
	attributes = append(attributes, hostAttributes(r.URL.Host)...)
	if q.policies != nil {
		ctx = trace.ContextWithSpan(ctx, q.policies)
	} else {
		if q.attempts > 0 {
			attributes = append(attributes, semconv.HTTPRequestResendCount(q.attempts))
		}
		q.attempts++
	}
	ctx, span := q.tracer.Start(ctx, methodOf(r), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	propagator.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return &Attempt{span}
}

// Outcome is how a request ended.
type Outcome struct {
	// Ingress and Rule are "" where no row takes the request.
	Ingress, Rule, RequestID string
	// Client is what may be told of the client's address.
	Client string
	Status int
	// Cause is why the request failed, in a word; "" where it did not.
	Cause string
	// Sent are the bytes of the answer's body.
	Sent int64
}

// End ends the span.
func (q *Request) End(r *http.Request, o *Outcome) {
	if q == nil {
		return
	}
	q.endPolicies()
	if !q.span.IsRecording() {
		return
	}
	if o.Ingress != "" {
		q.span.SetName(methodOf(r) + " " + o.Ingress)
	}
	attributes := []attribute.KeyValue{semconv.HTTPResponseStatusCode(o.Status), semconv.HTTPResponseBodySize(int(o.Sent))}
	for _, pair := range [...]struct{ key, value string }{
		{"gatewright.ingress", o.Ingress}, {"gatewright.rule", o.Rule}, {"gatewright.request_id", o.RequestID},
		{"client.address", o.Client}, {"error.type", errorType(o)},
	} {
		if pair.value != "" {
			attributes = append(attributes, attribute.String(pair.key, pair.value))
		}
	}
	q.span.SetAttributes(attributes...)
	// A client's error is none of the server's.
	if o.Status >= 500 || o.Cause != "" && o.Status < 400 {
		q.span.SetStatus(codes.Error, o.Cause)
	}
	q.span.End()
}

func errorType(o *Outcome) string {
	switch {
	case o.Cause != "":
		return o.Cause
	case o.Status >= 500:
		return strconv.Itoa(o.Status)
	}
	return ""
}

func requestAttributes(r *http.Request) []attribute.KeyValue {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	attributes := []attribute.KeyValue{
		methodAttribute(r), semconv.URLScheme(scheme), semconv.URLPath(r.URL.EscapedPath()),
		semconv.NetworkProtocolVersion(versionOf(r.ProtoMajor, r.ProtoMinor)),
	}
	return append(attributes, hostAttributes(netaddr.WithoutUser(r.Host))...)
}

func hostAttributes(text string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddress(text)}
	}
	number, _ := strconv.Atoi(port)
	return []attribute.KeyValue{semconv.ServerAddress(host), semconv.ServerPort(number)}
}

// methodOf is the method as a name of a span: one that nobody knows could be anything.
func methodOf(r *http.Request) string {
	if isKnown(r.Method) {
		return r.Method
	}
	return "HTTP"
}

func methodAttribute(r *http.Request) attribute.KeyValue {
	if isKnown(r.Method) {
		return semconv.HTTPRequestMethodKey.String(r.Method)
	}
	return semconv.HTTPRequestMethodOther
}

func isKnown(method string) bool {
	switch method {
	case http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch,
		http.MethodPost, http.MethodPut, http.MethodTrace, "QUERY":
		return true
	}
	return false
}

func versionOf(major, minor int) string {
	if major > 1 {
		return strconv.Itoa(major)
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor)
}
