package dispatcher

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/accesslog"
	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/metrics"
	"gatewright.dev/caddy/policies"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/targets"
	"gatewright.dev/caddy/tracing"
	"gatewright.dev/caddy/upstreams"
)

// served is a request that is served: all that is kept of it, in one allocation.
type served struct {
	upstreams.Request
	// ingress counts the request while it is under way; nil where no ingress has taken it.
	ingress *metrics.Ingress
	answer  answerWriter
	body    countedBody
	// ids are the values of the header X-Request-ID, of the request and of the answer.
	ids [2]string
	// logged is which requests of the rule are logged; "" leaves that to the app.
	logged accesslog.Mode
}

// watch begins the record of an exchange, and puts what counts bytes before the client.
func (s *served) watch(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.Body != nil && r.Body != http.NoBody {
		s.body = countedBody{r.Body, &s.Exchange}
		r.Body = &s.body
	}
	s.answer = answerWriter{caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, &s.Exchange}
	return &s.answer
}

// take counts the request as one of its ingress's.
func (s *served) take() {
	if s.Start.IsZero() {
		return
	}
	s.ingress = metrics.Of(s.Row)
	s.ingress.Begin()
}

// end completes the record. The client's context has ended where it has left before the answer's end.
func (s *served) end(r *http.Request) {
	e := &s.Exchange
	e.Duration = time.Since(e.Start)
	e.Decided()
	if (e.Status == statusLeft || e.Status == 0) && r.Context().Err() != nil && e.Failure == "" && e.Policy == "" {
		e.Failure = exchange.ClientLeft
	}
}

// observers read the record of each exchange that has ended.
var observers []func(e *exchange.Exchange, r *http.Request)

// ended is called when a request has been served.
func (h *Handler) ended(s *served, r *http.Request) {
	s.end(r)
	metrics.Observe(&s.Exchange)
	if s.ingress != nil {
		s.ingress.End(&s.Exchange, r)
	}
	if s.Row != nil && s.Failure != "" && !s.Failure.IsClients() {
		rehearsal.Failed(&s.Exchange)
	}
	for _, observe := range observers {
		observe(&s.Exchange, r)
	}
	h.app.Log().Request(r, &s.Exchange, s.logged)
	if s.Trace.Recording() {
		h.endTrace(s, r)
	}
}

// endTrace tells the request's span what became of it.
func (h *Handler) endTrace(s *served, r *http.Request) {
	e := &s.Exchange
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	outcome := tracing.Outcome{
		RequestID: e.RequestID, Client: h.app.Log().Client().ShowText(client),
		Status: e.Status, Cause: string(e.Failure), Sent: e.Sent.Load(),
	}
	if e.Row != nil {
		outcome.Ingress, outcome.Rule = e.Row.Ingress(), e.Row.ID()
	}
	if e.Policy != "" {
		e.Trace.Refused(string(e.Policy), e.Reason)
	}
	e.Trace.End(r, &outcome)
}

// statusLeft is of a client that has left before it was answered. The number is nginx's, and the proxy uses it too.
const statusLeft = 499

// failed notes why a request has no answer of an instance. A policy is why where it says so, or its status does.
func (s *served) failed(status int, err error) {
	e := &s.Exchange
	var refusal *policies.Refusal
	switch {
	case errors.As(err, &refusal):
		e.Refuse(refusal.Policy, refusal.Reason)
	case policyOf[status] != "":
		e.Refuse(policyOf[status], err.Error())
	case errors.Is(err, context.Canceled):
		e.Failure = exchange.ClientLeft
	case e.Deciding():
		e.Refuse(exchange.ForwardAuth, "forward auth gave no answer: "+err.Error())
	case s.Err != nil:
		e.Failure = targets.Cause(s.Err)
	case e.Last() != nil && e.Last().Failure != "":
		e.Failure = e.Last().Failure
	default:
		e.Failure = exchange.OtherFailure
	}
}

// policyOf is the policy whose handler, one of Caddy's, refuses with a status.
var policyOf = map[int]exchange.Policy{
	http.StatusUnauthorized:          exchange.BasicAuth,
	http.StatusForbidden:             exchange.OtherPolicy,
	http.StatusRequestEntityTooLarge: exchange.MaxRequestBody,
	http.StatusTooManyRequests:       exchange.RateLimit,
	http.StatusLoopDetected:          exchange.Loop,
}

// brokeOff notes that the answer ended before its end.
func (s *served) brokeOff(why exchange.Failure) {
	s.Failure = why
	if last := s.Last(); last != nil && last.Failure == "" {
		last.Failure = why
	}
}

// countedBody is a request's body that counts what the client has sent of it.
type countedBody struct {
	io.ReadCloser
	of *exchange.Exchange
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.of.Received.Add(int64(n))
	return n, err
}

// answerWriter is the way to the client, which notes the status and counts the bytes.
type answerWriter struct {
	caddyhttp.ResponseWriterWrapper
	of *exchange.Exchange
}

// WriteHeader notes the final status.
func (w *answerWriter) WriteHeader(status int) {
	if w.of.Status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.of.Status = status
	}
	identifyAnswer(w.Header(), w.of.RequestID)
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *answerWriter) Write(p []byte) (int, error) {
	w.begun()
	n, err := w.ResponseWriter.Write(p)
	w.of.Sent.Add(int64(n))
	return n, err
}

// ReadFrom counts.
func (w *answerWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begun()
	n, err := w.ResponseWriterWrapper.ReadFrom(r)
	w.of.Sent.Add(n)
	return n, err
}

// begun notes the status of an answer that is written without one.
func (w *answerWriter) begun() {
	if w.of.Status == 0 {
		w.of.Status = http.StatusOK
		identifyAnswer(w.Header(), w.of.RequestID)
	}
}

// Hijack makes a tunnel of the connection, whose bytes are counted too.
func (w *answerWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.of.Switched = time.Since(w.of.Start)
	w.of.Received.Add(int64(buffered.Reader.Buffered()))
	return &tunnel{conn, w.of}, buffered, nil
}

// tunnel is the client's end of one.
type tunnel struct {
	net.Conn
	of *exchange.Exchange
}

func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.of.Received.Add(int64(n))
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.of.Sent.Add(int64(n))
	return n, err
}

// CloseWrite ends what is sent, and lets the client go on sending.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return http.ErrNotSupported
}

// Interface guards.
var (
	_ http.ResponseWriter = (*answerWriter)(nil)
	_ http.Hijacker       = (*answerWriter)(nil)
	_ io.ReaderFrom       = (*answerWriter)(nil)
)
