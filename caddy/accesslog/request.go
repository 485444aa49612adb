package accesslog

import (
	"crypto/tls"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/internal/netaddr"
)

// lines are made again and again of the same memory.
var lines = sync.Pool{New: func() any { return new(line) }}

// Request logs a request that has ended. own is what its rule says of it; "" leaves that to the settings.
func (l *Log) Request(r *http.Request, e *exchange.Exchange, own Mode) {
	rule, ingress := "", ""
	if e.Row != nil {
		rule, ingress = e.Row.ID(), e.Row.Ingress()
	}
	suppressed, ok := l.wants(own, rule, hasFailed(e))
	if !ok {
		return
	}
	to := lines.Get().(*line)
	to.fields = to.fields[:0]
	to.text("request_id", e.RequestID, maxText)
	to.text("trace_id", traceOf(r, e), maxText)
	to.text("ingress", ingress, maxText)
	to.text("rule", rule, maxText)
	l.asked(to, r)
	to.number("status", int64(e.Status))
	to.text("miss", string(e.Miss), maxText)
	to.text("policy", string(e.Policy), maxText)
	to.text("reason", e.Reason, maxReason)
	to.text("cause", string(e.Failure), maxText)
	if last := e.Last(); last != nil {
		to.text("target", last.Target, maxText)
		to.text("address", last.Address, maxText)
		to.count("upstream_status", uint64(last.Status))
		to.milliseconds("connect_ms", last.Connect)
		to.milliseconds("first_byte_ms", last.FirstByte)
		to.milliseconds("upstream_ms", e.Duration-last.Began)
		to.count("retries", uint64(e.Retries()))
	}
	to.milliseconds("selection_ms", e.Selection)
	to.milliseconds("decision_ms", e.Decision)
	to.milliseconds("duration_ms", e.Duration)
	to.number("received", e.Received.Load())
	to.number("sent", e.Sent.Load())
	to.count("suppressed", suppressed)
	l.write("request", to.fields)
	lines.Put(to)
}

// asked is what the client has asked for, as it came.
func (l *Log) asked(to *line, r *http.Request) {
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	to.text("client", l.settings.Client.ShowText(client), maxText)
	to.text("protocol", r.Proto, maxText)
	if r.TLS != nil {
		to.text("tls", strings.TrimPrefix(tls.VersionName(r.TLS.Version), "TLS "), maxText)
	}
	// Policies may have rewritten it.
	url := r.URL
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		url = original.URL
	}
	to.text("method", r.Method, maxText)
	to.text("host", netaddr.WithoutUser(r.Host), maxHost)
	to.text("path", url.Path, maxPath)
	if l.settings.Query {
		to.text("query", url.RawQuery, maxPath)
	}
	to.text("user_agent", r.UserAgent(), maxText)
	to.text("referer", withoutSecrets(r.Referer()), maxText)
}

// hasFailed tells whether a request is one that ACCESS_LOG=errors tells of.
func hasFailed(e *exchange.Exchange) bool {
	return e.Status >= 400 || e.Status == 0 || e.Failure != "" || e.Policy != "" || e.Miss != ""
}

// traceOf is the trace that the request belongs to: ours, or without one of ours that which the client told the instance.
func traceOf(r *http.Request, e *exchange.Exchange) string {
	if e.Trace != nil {
		return e.Trace.TraceID()
	}
	// https://www.w3.org/TR/trace-context/#traceparent-header
	parts := strings.SplitN(r.Header.Get("Traceparent"), "-", 4)
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}

// withoutSecrets is a URL without query, fragment, user name and password.
func withoutSecrets(url string) string {
	if end := strings.IndexAny(url, "?#"); end != -1 {
		url = url[:end]
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	authority, path, hasPath := strings.Cut(rest, "/")
	if hasPath {
		path = "/" + path
	}
	return scheme + "://" + netaddr.WithoutUser(authority) + path
}
