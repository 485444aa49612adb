package layer4

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/table"
)

// secureWorld has HTTPS by every version of HTTP on one port.
func secureWorld(t *testing.T) *world {
	w := newWorld(t)
	certificate, key := certtest.SelfSigned(t, "www.a.test", "any.a.test", "open.test", "old.test", "api.eu.b.test", "x.y.c.test", "raw.a.test")
	w.apps["tls"] = map[string]any{"certificates": map[string]any{"load_pem": []any{map[string]any{"certificate": certificate, "key": key}}}}
	w.wrapper["tls"] = map[string]any{}
	w.server["protocols"] = []string{"h1", "h2", "h3"}
	// Caddy would turn it on because of the policy that asks for certificates.
	w.server["strict_sni_host"] = false
	w.server["tls_connection_policies"] = []any{
		map[string]any{
			"match": map[string]any{"gatewright": map[string]any{"asks": true}}, "client_authentication": map[string]any{"mode": "request"},
		},
		map[string]any{},
	}
	w.load()
	return w
}

func (w *world) secured(id, host, path string, options *table.TLSOptions) table.RowJSON {
	row := w.row(id, host, true)
	row.TLSOptions = options
	if path != "" {
		row.Path = &table.Path{Type: "prefix", Value: path}
	}
	return row
}

func demanding(mode string, by *authority) *table.TLSOptions {
	return &table.TLSOptions{ClientAuth: &table.ClientAuth{Mode: mode, CAPEM: by.pem()}}
}

// versions make a client of one connection that speaks one version of HTTP.
var versions = map[string]func(*tls.Config, string) http.RoundTripper{
	"HTTP/1.1": func(config *tls.Config, address string) http.RoundTripper {
		config.NextProtos = []string{"http/1.1"}
		return &http.Transport{TLSClientConfig: config, DialContext: dialTo(address), MaxConnsPerHost: 1}
	},
	"HTTP/2": func(config *tls.Config, address string) http.RoundTripper {
		return &http.Transport{TLSClientConfig: config, DialContext: dialTo(address), ForceAttemptHTTP2: true, MaxConnsPerHost: 1}
	},
	"HTTP/3": func(config *tls.Config, _ string) http.RoundTripper {
		return &http3.Transport{TLSClientConfig: config}
	},
}

func dialTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// request asks for host and path over a connection that was opened for a name. It returns the status, or "closed".
func (w *world) request(transport http.RoundTripper, host, path string) string {
	request, err := http.NewRequest("GET", "https://"+w.address()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Host = host
	response, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return "closed"
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return "closed"
	}
	return fmt.Sprint(response.StatusCode)
}

// TestDemandsOfRows is D3 and D4: what a row demands of TLS holds for its requests, over whichever connection they come.
func TestDemandsOfRows(t *testing.T) {
	w := secureWorld(t)
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	w.rows(
		w.secured("wild", "*.a.test", "", demanding("require", ours)),
		w.secured("health", "www.a.test", "/health", &table.TLSOptions{MinVersion: "1.2"}),
		w.secured("region", "api.{region}.b.test", "", demanding("require", ours)),
		w.secured("two", "*.*.c.test", "", demanding("require", ours)),
		w.secured("given", "old.test", "", demanding("verify_if_given", ours)),
		w.secured("open", "open.test", "", nil),
	)
	certificates := map[string][]tls.Certificate{"none": nil, "ours": ours.client(), "others": others.client()}
	for _, c := range []struct {
		// sni is the name that the connection is opened for, shown the client's certificate.
		sni, shown string
		// asked are hosts with paths, and what is answered.
		asked map[string]string
	}{
		{"www.a.test", "none", map[string]string{"www.a.test/health": "200", "www.a.test/secret": "421", "any.a.test/": "421", "open.test/": "200"}},
		{"www.a.test", "ours", map[string]string{"www.a.test/health": "200", "www.a.test/secret": "200", "any.a.test/": "200", "api.eu.b.test/": "200"}},
		{"www.a.test", "others", map[string]string{"www.a.test/health": "200", "www.a.test/secret": "403", "any.a.test/": "421"}},
		{"open.test", "none", map[string]string{"open.test/": "200", "any.a.test/": "421", "api.eu.b.test/": "421", "x.y.c.test/": "421"}},
		{"open.test", "ours", map[string]string{"open.test/": "200", "any.a.test/": "421"}},
		{"any.a.test", "none", map[string]string{"any.a.test/": "closed 421"}},
		{"any.a.test", "others", map[string]string{"any.a.test/": "closed 403"}},
		{"any.a.test", "ours", map[string]string{"any.a.test/": "200"}},
		{"api.eu.b.test", "none", map[string]string{"api.eu.b.test/": "closed 421"}},
		{"api.eu.b.test", "ours", map[string]string{"api.eu.b.test/": "200"}},
		{"x.y.c.test", "none", map[string]string{"x.y.c.test/": "closed 421"}},
		{"x.y.c.test", "ours", map[string]string{"x.y.c.test/": "200"}},
		{"old.test", "none", map[string]string{"old.test/": "200"}},
		{"old.test", "ours", map[string]string{"old.test/": "200"}},
		{"old.test", "others", map[string]string{"old.test/": "closed 403"}},
	} {
		for version, connect := range versions {
			config := &tls.Config{InsecureSkipVerify: true, ServerName: c.sni}
			if shown := certificates[c.shown]; shown != nil {
				// Whatever authorities the server names.
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown[0], nil }
			}
			transport := connect(config, w.address())
			for asked, want := range c.asked {
				host, path, _ := strings.Cut(asked, "/")
				got := w.request(transport, host, "/"+path)
				// QUIC's handshake asks only, since Caddy's policies are the same for all rows.
				if quic := version == "HTTP/3"; !strings.Contains(want, got) || strings.HasPrefix(want, "closed") && quic == (got == "closed") {
					t.Errorf("%s opened for %s with the certificate %q: %s gets %s, want %s", version, c.sni, c.shown, asked, got, want)
				}
			}
			closeTransport(transport)
		}
	}
}

func closeTransport(transport http.RoundTripper) {
	switch transport := transport.(type) {
	case *http.Transport:
		transport.CloseIdleConnections()
	case *http3.Transport:
		_ = transport.Close()
	}
}

// D4: so does the lowest version.
func TestVersionsOfRows(t *testing.T) {
	w := secureWorld(t)
	w.rows(
		w.secured("wild", "*.a.test", "", &table.TLSOptions{MinVersion: "1.3"}),
		w.secured("health", "www.a.test", "/health", &table.TLSOptions{MinVersion: "1.2"}),
		w.secured("open", "open.test", "", nil),
	)
	for _, c := range []struct{ sni, host, path, old, modern string }{
		{"www.a.test", "www.a.test", "/health", "200", "200"},
		{"www.a.test", "www.a.test", "/secret", "403", "200"},
		{"open.test", "www.a.test", "/secret", "421", "200"},
		{"any.a.test", "any.a.test", "/", "closed", "200"},
	} {
		for version, want := range map[uint16]string{tls.VersionTLS12: c.old, tls.VersionTLS13: c.modern} {
			transport := versions["HTTP/2"](&tls.Config{InsecureSkipVerify: true, ServerName: c.sni, MaxVersion: version}, w.address())
			if got := w.request(transport, c.host, c.path); got != want {
				t.Errorf("%s, opened for %s: %s%s gets %s, want %s", tls.VersionName(version), c.sni, c.host, c.path, got, want)
			}
			closeTransport(transport)
		}
	}
}

// oneTicket is a session cache that gives what any host gave to any other.
type oneTicket struct{ state *tls.ClientSessionState }

func (o *oneTicket) Get(string) (*tls.ClientSessionState, bool) { return o.state, o.state != nil }
func (o *oneTicket) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		o.state = state
	}
}

// D4: a session that was begun with another host's options does not pass by those of a row, by TLS 1.2 and 1.3.
func TestResumedSessions(t *testing.T) {
	w := secureWorld(t)
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	raw := w.passed("raw", "raw.a.test", &net.TCPAddr{Port: lineEcho(t)})
	raw.Layer4.Terminate, raw.TLSOptions = true, demanding("require", ours)
	w.wrapper["shared"] = true
	w.server = map[string]any{}
	w.load()
	w.rows(
		w.secured("wild", "*.a.test", "", demanding("require", ours)),
		w.secured("health", "www.a.test", "/health", &table.TLSOptions{MinVersion: "1.2"}),
		w.secured("given", "old.test", "", demanding("verify_if_given", others)),
		w.secured("open", "open.test", "", nil), raw,
	)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, first := range []string{"open.test", "old.test"} {
			tickets := &oneTicket{}
			dial := func(name string) (*tls.Conn, error) {
				return tls.Dial("tcp", w.address(), &tls.Config{
					InsecureSkipVerify: true, ServerName: name, MaxVersion: version, ClientSessionCache: tickets, Certificates: others.client(),
				})
			}
			ask := func(name, path string) (status string, resumed bool) {
				conn, err := dial(name)
				if err != nil {
					return "closed", false
				}
				defer conn.Close()
				got, err := askOn(conn, name, path)
				if err != nil {
					return "closed", conn.ConnectionState().DidResume
				}
				return got, conn.ConnectionState().DidResume
			}
			if got, _ := ask(first, "/"); got != first+"/" {
				t.Fatalf("%s: %s", first, got)
			}
			if _, resumed := ask("open.test", "/"); resumed != (first == "open.test") {
				t.Errorf("%s, then open.test: resumed %v", first, resumed)
			}
			for asked, want := range map[string]string{"www.a.test/secret": "421", "any.a.test/": "closed"} {
				name, path, _ := strings.Cut(asked, "/")
				if got, resumed := ask(name, "/"+path); got != want || resumed {
					t.Errorf("%s after %s by %s: %s, resumed %v", asked, first, tls.VersionName(version), got, resumed)
				}
			}
			if conn, err := dial("raw.a.test"); err == nil {
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				fmt.Fprintln(conn, "hello")
				if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
					t.Errorf("layer 4 after %s by %s: %q", first, tls.VersionName(version), line)
				}
				conn.Close()
			}
		}
	}
	// Where the certificate is right, all of it is served.
	conn, err := tls.Dial("tcp", w.address(), &tls.Config{InsecureSkipVerify: true, ServerName: "raw.a.test", Certificates: ours.client()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintln(conn, "hello")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("layer 4: %q, %v", line, err)
	}
}

// lineEcho is the port of a server that sends back what it gets.
func lineEcho(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go echo(listener)
	return listener.Addr().(*net.TCPAddr).Port
}

// TestHTTP2MeetsWhatRowsDemandNow: neither a reload nor the age of a connection opens a row, whose demands and policies are
// those of the moment.
func TestHTTP2MeetsWhatRowsDemandNow(t *testing.T) {
	w := secureWorld(t)
	by := newAuthority(t, "by")
	transport := versions["HTTP/2"](&tls.Config{InsecureSkipVerify: true, ServerName: "open.test"}, w.address())
	defer transport.(*http.Transport).CloseIdleConnections()
	refusing := w.secured("open", "open.test", "", nil)
	refusing.Policy = "refusing"
	// The connection is opened for the first.
	for _, c := range []struct {
		name string
		row  table.RowJSON
		want string
	}{
		{"open", w.secured("open", "open.test", "", nil), "200"},
		{"mutual TLS", w.secured("open", "open.test", "", demanding("require", by)), "421"},
		{"TLS of another version", w.secured("open", "open.test", "", &table.TLSOptions{MinVersion: "1.3"}), "200"},
		{"other policies", refusing, "403"},
		{"another host", w.secured("open", "old.test", "", nil), "404"},
	} {
		w.rows(c.row)
		before := w.request(transport, "open.test", "/")
		w.load()
		if after := w.request(transport, "open.test", "/"); before != c.want || after != c.want {
			t.Errorf("%s: %s, and %s after a reload", c.name, before, after)
		}
	}
}
