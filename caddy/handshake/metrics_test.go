package handshake

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/internal/metricstest"
	"gatewright.dev/caddy/metrics"
	"gatewright.dev/caddy/table"
)

// ending is a server that ends TLS of one connection at a time, as the rows of port 443 demand.
type ending struct {
	t        *testing.T
	ends     *TLS
	config   *tls.Config
	listener net.Listener
	roots    *x509.CertPool
	// timeout bounds a handshake.
	timeout time.Duration
	// demanded is what the row demands that the connection is for.
	demanded table.Demands
	// accepted is called with each connection before its handshake.
	accepted func(net.Conn)
}

func newEnding(t *testing.T, hosts map[string]*table.TLSOptions) *ending {
	t.Helper()
	certificate, key := certtest.SelfSigned(t, "a.test", "modern.test", "require.test", "given.test")
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	base.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if pair.Leaf.VerifyHostname(hello.ServerName) != nil {
			return nil, errors.New("no certificate available")
		}
		return &pair, nil
	}
	tellNoCertificate(base)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	e := &ending{
		t: t, listener: listener, roots: x509.NewCertPool(), timeout: 20 * time.Second,
		ends: &TLS{hosts: hostTable(t, hosts), bases: map[string]*tls.Config{"": base}},
	}
	e.config = e.ends.HTTP()
	e.roots.AddCert(pair.Leaf)
	return e
}

// serve has a client connect, and returns when the handshake has ended.
func (e *ending) serve(client func(net.Conn)) error {
	e.t.Helper()
	ended := make(chan error, 1)
	go func() {
		conn, err := e.listener.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		if e.accepted != nil {
			e.accepted(conn)
		}
		ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
		defer cancel()
		secured := tls.Server(from{conn, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}}, e.config)
		if err = e.ends.End(ctx, secured, e.demanded); err == nil {
			_, err = secured.Write([]byte("x"))
		}
		ended <- err
	}()
	conn, err := net.Dial("tcp", e.listener.Addr().String())
	if err != nil {
		e.t.Fatal(err)
	}
	client(conn)
	_ = conn.Close()
	return <-ended
}

// speaking is a client of TLS, which reads once: by then it has the session's ticket.
func (e *ending) speaking(edit func(*tls.Config)) func(net.Conn) {
	config := &tls.Config{ServerName: "a.test", RootCAs: e.roots}
	if edit != nil {
		edit(config)
	}
	return func(conn net.Conn) {
		_, _ = tls.Client(conn, config).Read(make([]byte, 1))
	}
}

// sending sends these bytes and closes.
func sending(bytes string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = conn.Write([]byte(bytes)) }
}

func named(name string) func(*tls.Config) {
	return func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = name, true }
}

func with(name string, shown *issuer) func(*tls.Config) {
	return func(c *tls.Config) {
		c.ServerName = name
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{shown.certificate.Raw}, PrivateKey: shown.key}, nil
		}
	}
}

const prefix = "tls_handshake"

func TestHandshakesAreCounted(t *testing.T) {
	e := newEnding(t, nil)
	cache := tls.NewLRUClientSessionCache(1)
	for _, c := range []struct {
		name string
		edit func(*tls.Config)
		want string
	}{
		{"1.3", nil, "false,1.3"},
		{"1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "false,1.2"},
		{"a session begins", func(c *tls.Config) { c.ClientSessionCache = cache }, "false,1.3"},
		{"and is resumed", func(c *tls.Config) { c.ClientSessionCache = cache }, "true,1.3"},
	} {
		before := metricstest.Read(t, prefix)
		if err := e.serve(e.speaking(c.edit)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		before.Expect(t, prefix, metricstest.Series{"tls_handshakes_total{" + c.want + "}": 1, "tls_handshake_duration_seconds": 1})
	}
}

func TestFailuresAreCountedByCause(t *testing.T) {
	ours, others := issue(t, nil, authority), issue(t, nil, authority)
	expired := issue(t, ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	require := demanding("require", ours)
	e := newEnding(t, map[string]*table.TLSOptions{
		"modern.test": {MinVersion: "1.3"}, "require.test": require, "given.test": demanding("verify_if_given", ours),
	})
	speaking := e.speaking
	for _, c := range []struct {
		name   string
		client func(net.Conn)
		want   Cause
	}{
		{"a name without a certificate", speaking(named("nobody.test")), NoCertificate},
		{"no name", speaking(named("")), NoSNI},
		{"a client without our authority", speaking(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }), CertificateRefused},
		{"a client without our authority, 1.2", speaking(func(c *tls.Config) { c.RootCAs, c.MaxVersion = x509.NewCertPool(), tls.VersionTLS12 }), CertificateRefused},
		{"no client certificate", speaking(func(c *tls.Config) { c.ServerName = "require.test" }), ClientCertificateMissing},
		{"another authority's", speaking(with("require.test", issue(t, others, nil))), ClientCertificateBad},
		{"another authority's, not required", speaking(with("given.test", issue(t, others, nil))), ClientCertificateBad},
		{"an expired one", speaking(with("require.test", expired)), ClientCertificateBad},
		{"TLS 1.1", speaking(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), Version},
		{"TLS 1.2 where the row demands 1.3", speaking(func(c *tls.Config) { c.ServerName, c.MaxVersion = "modern.test", tls.VersionTLS12 }), Version},
		{"a client that takes no version below 1.3", sending("\x15\x03\x01\x00\x02\x02\x46"), Version},
		{"ciphers of old", speaking(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}), Parameters},
		{"another protocol", speaking(func(c *tls.Config) { c.NextProtos = []string{"mqtt"} }), ALPN},
		{"plain HTTP", sending("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), NotTLS},
		{"nothing", sending(""), ClientLeft},
		{"half a hello", sending("\x16\x03\x01\x02\x00\x01"), ClientLeft},
		{"a client that leaves when it sees the certificate", func(conn net.Conn) {
			_ = tls.Client(conn, &tls.Config{ServerName: "a.test", RootCAs: e.roots, VerifyConnection: func(tls.ConnectionState) error {
				return conn.Close()
			}}).Handshake()
		}, ClientLeft},
		{"an alert", sending("\x15\x03\x01\x00\x02\x02\x50"), ClientAlert},
		{"no hello", sending("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), Broken},
	} {
		before := metricstest.Read(t, prefix)
		if err := e.serve(c.client); err == nil {
			t.Errorf("%s: the handshake came to its end", c.name)
		}
		moved := before.Since(t, prefix)
		if moved["tls_handshake_failures_total{"+string(c.want)+"}"] != 1 || len(moved) != 1 {
			t.Errorf("%s: %v, want %s", c.name, moved, c.want)
		}
	}

	count := func(name string, want Cause, client func(net.Conn)) {
		t.Helper()
		before := metricstest.Read(t, prefix)
		err := e.serve(client)
		moved := before.Since(t, prefix)
		if err == nil || moved["tls_handshake_failures_total{"+string(want)+"}"] != 1 || len(moved) != 1 {
			t.Errorf("%s: %v, %v, want %s", name, err, moved, want)
		}
	}
	e.timeout = 30 * time.Millisecond
	count("a client that says nothing", Timeout, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })
	e.timeout = 20 * time.Second
	e.accepted = func(conn net.Conn) { _ = conn.Close() }
	count("a connection that makes room", TooMany, speaking(nil))
	e.accepted = nil
	// A row that is known before the requests is asked once the handshake is done.
	_, _, e.demanded = hostTable(t, map[string]*table.TLSOptions{"a.test": require}).LookupName(443, nil, "a.test")
	count("a connection that lacks what its row demands", ClientCertificateMissing, speaking(nil))
}

func TestHandshakesUnderWay(t *testing.T) {
	e := newEnding(t, nil)
	before := metricstest.Read(t, prefix)
	_ = e.serve(func(conn net.Conn) {
		for deadline := time.Now().Add(20 * time.Second); before.Since(t, prefix)["tls_handshakes_active"] != 1; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it is not counted")
			}
		}
	})
	if left := before.Since(t, prefix)["tls_handshakes_active"]; left != 0 {
		t.Errorf("%v are left", left)
	}
}

func TestHandshakesByIngress(t *testing.T) {
	e := newEnding(t, map[string]*table.TLSOptions{"a.test": nil, "nobody.test": nil})
	all := metrics.Ingresses
	t.Cleanup(func() { metrics.Ingresses = all })
	// The rows of these tests have their hosts for ids.
	metrics.Ingresses = func() map[string]string { return map[string]string{"a.test": "shop", "nobody.test": "blog"} }
	before := metricstest.Read(t, "tls_ingress")
	_ = e.serve(e.speaking(nil))
	_ = e.serve(e.speaking(named("nobody.test")))
	_ = e.serve(e.speaking(named("stranger.test")))
	before.Expect(t, "tls_ingress", metricstest.Series{
		"tls_ingress_handshakes_total{shop,ok}": 1, "tls_ingress_handshakes_total{blog,failed}": 1,
	})
}
