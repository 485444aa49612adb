package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/handshake"
	"gatewright.dev/caddy/internal/netaddr"
	"gatewright.dev/caddy/listeners"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/upstreams"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler is the module `http.handlers.gatewright`: `{"handler": "gatewright"}`. It finds the row of the host
// table that takes a request, and has the row's policy set of the app `gatewright` handle it. Rows are of a
// listen port, so that one handler serves a server for each port.
//
// It sets the variables `gatewright.rule` and `gatewright.ingress` (placeholders `{http.vars.gatewright.rule}`
// and `{http.vars.gatewright.ingress}`) for the handlers of the set and for access logs.
type Handler struct {
	// Port is the listen port whose rows are used. Default: the local port of the request's connection.
	Port uint16 `json:"port,omitempty"`

	// TrustedProxies are the server's: addresses and networks whose X-Forwarded-For is believed. Default: none.
	TrustedProxies []string `json:"trusted_proxies,omitempty"`

	app     *app.App
	logger  *zap.Logger
	trusted []netip.Prefix
}

// CaddyModule returns the module's information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	var err error
	if h.app, err = app.Of(ctx); err != nil {
		return err
	}
	h.logger = ctx.Logger()
	for _, text := range h.TrustedProxies {
		network, err := caddyhttp.CIDRExpressionToPrefix(text)
		if err != nil {
			return fmt.Errorf("trusted_proxies: %w", err)
		}
		if addr := network.Addr(); addr.Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(addr.Unmap(), network.Bits()-96)
		}
		h.trusted = append(h.trusted, network)
	}
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		listeners.Follow(server)
	}
	return nil
}

// ServeHTTP answers the request by the first row that takes it whole.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if !listeners.Take(r) {
		panic(http.ErrAbortHandler)
	}
	if listeners.Stays(r) && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	s := &served{}
	s.identify(w, r)
	rehearsed := rehearsal.Of(r)
	if rehearsed == nil && h.app.Records() {
		s.Start = time.Now()
		w = s.watch(w, r)
		if tracer := h.app.Tracer(); tracer != nil {
			s.Trace = tracer.Begin(r, isTrusted(r))
		}
		defer h.ended(s, r)
	}
	h.serve(w, r, s, rehearsed)
	rehearsed.Ended(&s.Exchange)
	return nil
}

// serve answers the request, and notes in its record what becomes of it.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, s *served, rehearsed *rehearsal.Record) {
	if !hasPath(r) {
		s.Miss = exchange.MissTarget
		h.unrouted(w, http.StatusBadRequest, "Bad Request: the request target is neither a path nor an http URL")
		return
	}
	h.correctClient(r)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	asked := table.Request{
		Port:   h.port(local),
		Local:  local,
		TLS:    r.TLS != nil,
		Host:   r.Host,
		Path:   r.URL.Path,
		Method: r.Method,
		Header: r.Header,
	}
	to := h.find(&asked)
	to.rehearsed, to.requestID = rehearsed, s.RequestID
	to.rehearsed.Found(to.row, to.host)
	row, set := to.row, to.set
	s.Row, s.Host = row, to.host
	if row == nil {
		s.Miss = missOf(&asked, r)
		h.notFound(w, r, s.Miss)
		return
	}
	s.take()
	if set != nil {
		defer set.Leave()
		s.logged = set.AccessLog
	}
	caddyhttp.SetVar(r.Context(), "gatewright.rule", row.ID())
	caddyhttp.SetVar(r.Context(), "gatewright.ingress", row.Ingress())
	if lack := handshake.Check(to.demanded, r.TLS); lack != nil {
		s.Refuse(exchange.TLSOptions, lack.Error())
		h.insecure(w, r, &to, lack)
		return
	}
	if port := row.RedirectPort(); port != 0 {
		redirect(w, r, to.host, port)
		return
	}
	if set == nil {
		s.Failure = exchange.OtherFailure
		h.fail(w, r, &to, http.StatusServiceUnavailable, fmt.Errorf("policy set %q is not configured", row.Policy()))
		return
	}
	if _, _, demanded := row.Auth(); demanded && !set.ChecksHeader() {
		s.Refuse(exchange.Lacking, errUnchecked.Error())
		h.fail(w, r, &to, http.StatusServiceUnavailable, errUnchecked)
		return
	}
	if !refuseOrCleanPath(r, set.UncleanPaths, asked.Clean != "") {
		s.Refuse(exchange.UncleanPaths, "the path can be read in more than one way")
		h.answer(w, r, &to, http.StatusBadRequest, "The path of the request can be read in more than one way.")
		return
	}
	q := &s.Request
	q.Resolver, q.Guard = to.owner.Addresses(), &to.owner.Guard
	q.Attach(r)
	s.Trace.Policies()
	status, ended := 0, false
	// Deferred, since the proxy panics when a response breaks off.
	defer func() {
		q.Done(status == http.StatusBadGateway || status == http.StatusGatewayTimeout)
		// A client that leaves ends the request's context.
		if !ended && r.Context().Err() == nil {
			s.brokeOff(exchange.BrokenAnswer)
			h.brokenOff(r, &to)
		} else if !ended {
			s.brokeOff(exchange.ClientLeft)
		}
	}()
	err := to.serve(w, r)
	ended = true
	if err != nil {
		status = statusOf(err, q)
		if wait := q.RetryAfter(); wait > 0 && status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", strconv.Itoa(wait))
		}
		err = cause(err, q)
		s.failed(status, err)
		h.fail(w, r, &to, status, err)
	}
}

// serve has the policy set handle the request.
func (t *route) serve(w http.ResponseWriter, r *http.Request) error {
	if t.rehearsed != nil {
		return t.set.Rehearse(w, r, t.rehearsed)
	}
	return t.set.ServeHTTP(w, r)
}

// errUnchecked closes a row rather than pass its secret by: the set is of a Caddy that checked it elsewhere.
var errUnchecked = errors.New("the policy set does not check the header that the row demands")

// port is the listen port. It is never taken from the Host header, which the client writes.
func (h *Handler) port(local net.Addr) uint16 {
	if h.Port != 0 {
		return h.Port
	}
	return netaddr.Of(local).Port()
}

// redirect sends the client to https on the same host. Only GET and HEAD may become a 301: with other methods
// clients would turn it into a GET (RFC 9110 section 15.4.2).
func redirect(w http.ResponseWriter, r *http.Request, host string, port int) {
	if !redirectable(host) {
		writePlain(w, http.StatusBadRequest, "Bad Request: the host is not a name to redirect to")
		return
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != 443 {
		host += ":" + strconv.Itoa(port)
	}
	uri := r.URL.RequestURI()
	if !strings.HasPrefix(uri, "/") {
		// `*`
		uri = "/"
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	w.Header().Set("Location", "https://"+host+uri)
	w.WriteHeader(status)
}

// redirectable tells whether a Host header of a catch-all is nothing but a name or an address.
func redirectable(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	return host != "" && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// statusOf is the status that an error of the policy set means.
func statusOf(err error, q *upstreams.Request) int {
	if errors.Is(q.Err, context.Canceled) {
		// The client left while an address was asked for.
		return statusLeft
	}
	if q.Refused {
		// The proxy says 503 for "no upstream"; there is one, but it must not be reached.
		return http.StatusBadGateway
	}
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) && handlerError.StatusCode >= 400 && handlerError.StatusCode <= 999 {
		return handlerError.StatusCode
	}
	return http.StatusInternalServerError
}

// cause is what the log says: the proxy knows no more than "no upstreams available".
func cause(err error, q *upstreams.Request) error {
	if q.Err != nil {
		return q.Err
	}
	var handlerError caddyhttp.HandlerError
	if errors.As(err, &handlerError) && handlerError.Err != nil {
		return handlerError.Err
	}
	return err
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
