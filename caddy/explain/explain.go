// Package explain tells what becomes of a request: it has one rehearsed by the running server of its port, as if it had
// come over a connection, and says what it met.
package explain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/certificates"
	"gatewright.dev/caddy/handshake"
	"gatewright.dev/caddy/internal/admin"
	"gatewright.dev/caddy/layer4"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/table"
)

func init() { caddy.RegisterModule(Admin{}) }

// mostConsidered rows that do not take a request are named.
const mostConsidered = 50

// Admin is the module `admin.api.gatewright_explain`:
//
//	POST /gatewright/explain {"port": 443, "tls": true, "server_name": "shop.example.com", "host": "shop.example.com",
//	  "target": "/cart?id=1", "method": "GET", "headers": {"Accept": ["text/html"]}, "client": "203.0.113.5"}
//
// `network` is "http" (default), "tcp" or "udp"; the latter two are of rows that have a port whole. `local` is the
// address that the connection comes to; it matters to rows that name listen addresses. With `connect` Caddy connects to the
// addresses that could take the request.
//
//	GET /gatewright/runs?ingress=<id>&host=*.example.com
//
// Lines of JSON: {"row": {…}} for each row that these choose, with its addresses and their health, {"policy_set": "<key>",
// "set": {…}} for each set that one of them names, and at last {"end": true}. Rows have no secrets; sets are as they came.
type Admin struct{}

// CaddyModule returns the module's information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatewright_explain", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin endpoint.
func (Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		admin.Route("/gatewright/explain", admin.Actions{http.MethodPost: post}),
		admin.Stream("/gatewright/runs", writeRuns),
	}
}

// Question is a request that somebody wants explained.
type Question struct {
	Network    string      `json:"network"`
	Port       uint16      `json:"port"`
	Local      netip.Addr  `json:"local"`
	TLS        bool        `json:"tls"`
	ServerName string      `json:"server_name"`
	Host       string      `json:"host"`
	Target     string      `json:"target"`
	Method     string      `json:"method"`
	Headers    http.Header `json:"headers"`
	Client     netip.Addr  `json:"client"`
	Connect    bool        `json:"connect"`
}

// Explanation is what becomes of a request.
type Explanation struct {
	// Table is the version of the host table that was asked.
	Table string `json:"table"`
	// Served tells that something listens on the port for it.
	Served bool `json:"served"`
	// TLS is how a connection would be secured; absent for plain ones, and for those that are passed through.
	TLS *Secured `json:"tls,omitempty"`
	// Row takes the request; absent where none does.
	Row *Row `json:"row,omitempty"`
	// Considered were asked before it.
	Considered     []table.Considered  `json:"considered"`
	ConsideredMore int                 `json:"considered_more,omitempty"`
	Steps          []*rehearsal.Step   `json:"steps"`
	Upstream       *rehearsal.Upstream `json:"upstream,omitempty"`
	Sent           *rehearsal.Sent     `json:"sent,omitempty"`
	// Answer is what the client gets from here, if its TLS comes about; absent where an instance answers, or nobody does.
	Answer *Answer `json:"answer,omitempty"`
	// Error is why no instance answers, in words of the log, and Cause the word for it in metrics; both absent where one does.
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"`
	// LastFailure is that of the row; absent where none is known.
	LastFailure *rehearsal.Failure `json:"last_failure,omitempty"`
}

// Row is a row of the host table.
type Row struct {
	ID      string `json:"id"`
	Ingress string `json:"ingress"`
	Layer4  bool   `json:"layer4,omitempty"`
	// PolicySet is the key of its policy set.
	PolicySet string `json:"policy_set,omitempty"`
}

// Secured is how a connection would be secured.
type Secured struct {
	handshake.Wants
	// Certificate is the one shown; absent while there is none.
	Certificate *certificates.Shown `json:"certificate,omitempty"`
	// Order is what became of the last order for the name.
	Order any `json:"order,omitempty"`
	// Error is why the handshake fails, with a client that shows no certificate.
	Error string `json:"error,omitempty"`
}

func post(r *http.Request) (any, error) {
	var q Question
	if err := table.ReadStrict(r.Body, &q); err != nil {
		return nil, err
	}
	if q.Port == 0 {
		return nil, errors.New("port is missing")
	}
	if !q.Local.IsValid() {
		q.Local = netip.IPv4Unspecified()
	}
	if !q.Client.IsValid() {
		q.Client = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return q.explain(r)
}

// local is the address that the connection comes to.
func (q *Question) local() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(q.Local, q.Port))
}

func (q *Question) explain(r *http.Request) (*Explanation, error) {
	told := &Explanation{Table: app.HostTable().Version(), Considered: []table.Considered{}, Steps: []*rehearsal.Step{}}
	rec := &rehearsal.Record{Connects: q.Connect}
	defer told.record(rec)
	server := serverOf(q.Port)
	told.Served = layer4.Listens(q.Network, q.Port) || server != nil && q.Network != "udp"
	if row, name := q.connection(told); row != nil {
		layer4.Explain(r.Context(), row, name, q.Client, rec)
		return told, nil
	}
	if q.Network == "tcp" || q.Network == "udp" || server == nil {
		return told, nil
	}
	// Of the admin endpoint's request nothing but its end: its connection is not the one that is asked about.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)()
	request, err := q.request(ctx)
	if err != nil {
		return nil, err
	}
	told.consider(q, request)
	told.Answer = answerOf(server, rec.With(request))
	return told, nil
}

// connection asks what takes the connection before anything is known of requests: a row of layer 4, or none. It tells how
// TLS is ended.
func (q *Question) connection(told *Explanation) (row *table.Row, name string) {
	hosts := app.HostTable()
	network := "tcp"
	if q.Network == "udp" {
		network = "udp"
	}
	if row = hosts.LookupPort(network, q.Port, q.local()); row != nil {
		return row, ""
	}
	if !q.TLS || network == "udp" {
		return nil, ""
	}
	row, name, _ = hosts.LookupName(q.Port, q.local(), q.ServerName)
	if row == nil || row.Layer4() == nil || row.Layer4().Terminate {
		told.secure(q)
	}
	if row != nil && row.Layer4() != nil {
		return row, name
	}
	return nil, name
}

// secure tells how TLS is ended for a name.
func (e *Explanation) secure(q *Question) {
	secured := &Secured{Wants: handshake.Explain(app.HostTable(), q.Port, q.local(), q.ServerName)}
	secured.Certificate, secured.Order = certificates.Explain(strings.TrimSuffix(strings.ToLower(q.ServerName), "."), secured.Wants.Certificate)
	switch {
	case secured.Certificate == nil:
		secured.Error = "there is no certificate for the name"
	case secured.ClientCertificate == "require":
		secured.Error = "the client must show a certificate"
	}
	e.TLS = secured
}

// request is the question as net/http would have it.
func (q *Question) request(ctx context.Context) (*http.Request, error) {
	target := q.Target
	if target == "" {
		target = "/"
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	r := (&http.Request{
		Method: q.Method, URL: parsed, RequestURI: target, Host: q.Host, Header: http.Header{}, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: netip.AddrPortFrom(q.Client, 1).String(),
	}).WithContext(context.WithValue(ctx, http.LocalAddrContextKey, q.local()))
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	for name, values := range q.Headers {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	_, _ = fmt.Sscan(r.Header.Get("Content-Length"), &r.ContentLength)
	if q.TLS {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: strings.ToLower(q.ServerName)}
	}
	return r, nil
}

// consider names the rows that were asked before the one that takes the request.
func (e *Explanation) consider(q *Question, r *http.Request) {
	e.Considered, e.ConsideredMore = app.HostTable().Consider(&table.Request{
		Port: q.Port, Local: q.local(), TLS: q.TLS, Host: r.Host, Path: r.URL.Path, Method: r.Method, Header: r.Header,
	}, mostConsidered)
	if e.Considered == nil {
		e.Considered = []table.Considered{}
	}
}

// record takes over what a request met.
func (e *Explanation) record(rec *rehearsal.Record) {
	if row := rec.Row; row != nil {
		e.LastFailure = rehearsal.LastFailure(row.ID())
		e.Row = &Row{row.ID(), row.Ingress(), row.Layer4() != nil, row.Policy()}
	}
	if rec.Steps != nil {
		e.Steps = rec.Steps
	}
	e.Upstream, e.Sent, e.Cause = rec.Upstream, rec.Sent, rec.Cause
	if rec.Err != nil {
		e.Error = rec.Err.Error()
	}
}

// Interface guards.
var _ caddy.AdminRouter = Admin{}
