package handshake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"gatewright.dev/caddy/table"
)

// issuer signs certificates, and has one itself.
type issuer struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue signs a certificate; nil signs one that has signed itself.
func issue(t *testing.T, by *issuer, edit func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(template)
	}
	made := &issuer{t: t, certificate: template, key: key}
	if by == nil {
		by = made
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if made.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func authority(template *x509.Certificate) {
	template.IsCA, template.ExtKeyUsage = true, nil
}

func (i *issuer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw}))
}

func chain(of ...*issuer) (certificates []*x509.Certificate) {
	for _, one := range of {
		certificates = append(certificates, one.certificate)
	}
	return certificates
}

// hostTable has a row on port 443 for each host; that of www.a.test is for /health alone.
func hostTable(t *testing.T, hosts map[string]*table.TLSOptions) *table.Table {
	t.Helper()
	rows := table.NewRows()
	for host, options := range hosts {
		row := table.RowJSON{ID: host, Ingress: "a", Port: 443, Host: host, TLS: true, Policy: "p", TLSOptions: options}
		if host == "www.a.test" {
			row.Path = &table.Path{Type: "prefix", Value: "/health"}
		}
		rows.Add(&row)
	}
	made := new(table.Table)
	if err := made.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	return made
}

func demanding(mode string, by *issuer) *table.TLSOptions {
	options := &table.TLSOptions{ClientAuth: &table.ClientAuth{Mode: mode}}
	if by != nil {
		options.ClientAuth.CAPEM = by.pem()
	}
	return options
}

func demandsOf(t *testing.T, options *table.TLSOptions) table.Demands {
	t.Helper()
	_, _, demanded := hostTable(t, map[string]*table.TLSOptions{"a.test": options}).Lookup(&table.Request{Port: 443, TLS: true, Host: "a.test", Path: "/"})
	return demanded
}

func TestWhatAConnectionLacks(t *testing.T) {
	ours, others := issue(t, nil, authority), issue(t, nil, authority)
	below := issue(t, ours, authority)
	client, stranger, deep := issue(t, ours, nil), issue(t, others, nil), issue(t, below, nil)
	expired := issue(t, ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	server := issue(t, ours, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	require, given := demanding("require", ours), demanding("verify_if_given", ours)
	modern := &table.TLSOptions{MinVersion: "1.3"}
	for name, c := range map[string]struct {
		options *table.TLSOptions
		version uint16
		shown   []*x509.Certificate
		want    error
	}{
		"nothing is demanded, without TLS":  {nil, 0, nil, nil},
		"1.3 by 1.2":                        {modern, tls.VersionTLS12, nil, ErrVersion},
		"1.3 by 1.3":                        {modern, tls.VersionTLS13, nil, nil},
		"1.3 without TLS":                   {modern, 0, nil, ErrVersion},
		"1.2 by 1.1":                        {&table.TLSOptions{MinVersion: "1.2"}, tls.VersionTLS11, nil, ErrVersion},
		"1.2 by 1.2":                        {&table.TLSOptions{MinVersion: "1.2"}, tls.VersionTLS12, nil, nil},
		"a certificate by 1.1":              {require, tls.VersionTLS11, chain(client), ErrVersion},
		"required, none":                    {require, tls.VersionTLS13, nil, ErrNoCertificate},
		"required, ours":                    {require, tls.VersionTLS12, chain(client), nil},
		"required, another's":               {require, tls.VersionTLS13, chain(stranger), ErrCertificate},
		"required, expired":                 {require, tls.VersionTLS13, chain(expired), ErrCertificate},
		"required, of a server":             {require, tls.VersionTLS13, chain(server), ErrCertificate},
		"required, by one below ours":       {require, tls.VersionTLS13, chain(deep, below), nil},
		"required, without the one between": {require, tls.VersionTLS13, chain(deep), ErrCertificate},
		"required, ours behind another's":   {require, tls.VersionTLS13, chain(stranger, client), ErrCertificate},
		"if given, none":                    {given, tls.VersionTLS13, nil, nil},
		"if given, ours":                    {given, tls.VersionTLS13, chain(client), nil},
		"if given, another's":               {given, tls.VersionTLS13, chain(stranger), ErrCertificate},
		"requested, none":                   {demanding("request", ours), tls.VersionTLS13, nil, nil},
		"requested, another's":              {demanding("request", ours), tls.VersionTLS13, chain(stranger), nil},
	} {
		var state *tls.ConnectionState
		if c.version != 0 {
			state = &tls.ConnectionState{Version: c.version, PeerCertificates: c.shown}
		}
		demanded := demandsOf(t, c.options)
		// The second time the verdict is known.
		for range 2 {
			if err := Check(demanded, state); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
	}
}

// A verdict is remembered, and not for ever: a certificate expires.
func TestVerdictsEnd(t *testing.T) {
	ours := issue(t, nil, authority)
	demanded := demandsOf(t, demanding("require", ours))
	state := &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: chain(issue(t, ours, nil))}
	check := func(known bool, until time.Time, want error) {
		t.Helper()
		for key, one := range verdicts.items {
			if key.demanded == demanded {
				if left := time.Until(one.until); left <= 0 || left > verdictTime {
					t.Errorf("a verdict holds for %v", left)
				}
				verdicts.put(key, verdict{known, until})
			}
		}
		if err := Check(demanded, state); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	check(false, time.Time{}, nil)
	check(false, time.Now().Add(verdictTime), ErrCertificate)
	check(false, time.Now().Add(-time.Second), nil)
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	var numbers kept[int, int]
	for i := range maxKept {
		numbers.put(i, -i)
	}
	if value, ok := numbers.get(1); !ok || value != -1 || len(numbers.items) != maxKept {
		t.Errorf("%d, %v of %d", value, ok, len(numbers.items))
	}
	numbers.put(maxKept, 0)
	if _, ok := numbers.get(maxKept); !ok || len(numbers.items) != 1 {
		t.Errorf("%d are kept beyond the bound", len(numbers.items))
	}
}

// from is a connection that came to a local address.
type from struct {
	net.Conn
	local net.Addr
}

func (f from) LocalAddr() net.Addr { return f.local }

func hello(name string, local net.Addr, protocols ...string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedProtos: protocols, Conn: from{local: local}}
}

// A connection for www.a.test may reach its row of /health, and that of the wildcard.
func TestHandshakesOfTwoRows(t *testing.T) {
	ours, others := issue(t, nil, authority), issue(t, nil, authority)
	for name, c := range map[string]struct {
		wild, own *table.TLSOptions
		auth      tls.ClientAuthType
		cas       bool
	}{
		"two authorities":          {demanding("require", ours), demanding("require", others), tls.RequestClientCert, false},
		"one authority, two modes": {demanding("require", ours), demanding("verify_if_given", ours), tls.RequestClientCert, false},
		"one of two":               {demanding("require", ours), &table.TLSOptions{MinVersion: "1.2"}, tls.RequestClientCert, true},
		"the other of two":         {&table.TLSOptions{MinVersion: "1.2"}, demanding("require", ours), tls.RequestClientCert, true},
		"both alike":               {demanding("require", ours), demanding("require", ours), tls.RequireAndVerifyClientCert, true},
	} {
		both := hostTable(t, map[string]*table.TLSOptions{"*.a.test": c.wild, "www.a.test": c.own})
		wanted := wantedBy(both, hello("www.a.test", &net.TCPAddr{Port: 443}))
		if wanted.auth != c.auth || (wanted.authorities != nil) != c.cas {
			t.Errorf("%s: %v, authorities named: %v", name, wanted.auth, wanted.authorities != nil)
		}
	}
}

func TestHandshakesOfNames(t *testing.T) {
	ours := issue(t, nil, authority)
	hosts := hostTable(t, map[string]*table.TLSOptions{
		"plain.test": nil, "cert.test": {Certificate: "imported"}, "gone.test": {Certificate: "gone"},
		"old.test": {MinVersion: "1.2"}, "modern.test": {MinVersion: "1.3"},
		"require.test": demanding("require", ours), "given.test": demanding("verify_if_given", ours),
		"request.test": demanding("request", ours), "any.test": demanding("request", nil),
		"*.a.test": {MinVersion: "1.3"}, "www.a.test": {MinVersion: "1.2"},
	})
	base, imported := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, &tls.Config{MinVersion: tls.VersionTLS12}
	ends := &TLS{hosts: hosts, bases: map[string]*tls.Config{"": base, "imported": imported}}
	tcp := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443}
	for _, c := range []struct {
		hello   *tls.ClientHelloInfo
		base    *tls.Config
		version uint16
		auth    tls.ClientAuthType
	}{
		{hello("plain.test", tcp), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("nobody.test", tcp), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("cert.test", tcp), imported, tls.VersionTLS12, tls.NoClientCert},
		{hello("gone.test", tcp), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("old.test", tcp), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("modern.test", tcp), nil, tls.VersionTLS13, tls.NoClientCert},
		{hello("x.a.test", tcp), nil, tls.VersionTLS13, tls.NoClientCert},
		{hello("www.a.test", tcp), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("require.test", tcp), nil, tls.VersionTLS12, tls.RequireAndVerifyClientCert},
		{hello("require.test", &net.UDPAddr{Port: 443}), nil, tls.VersionTLS12, tls.RequireAndVerifyClientCert},
		{hello("require.test", &net.TCPAddr{Port: 8443}), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("require.test", &net.UnixAddr{}), base, tls.VersionTLS12, tls.NoClientCert},
		{&tls.ClientHelloInfo{ServerName: "require.test"}, base, tls.VersionTLS12, tls.NoClientCert},
		// The authority of ACME shows no certificate; who can speak more than its protocol is not it.
		{hello("require.test", tcp, acmeProtocol), base, tls.VersionTLS12, tls.NoClientCert},
		{hello("require.test", tcp, "h2", acmeProtocol), nil, tls.VersionTLS12, tls.RequireAndVerifyClientCert},
		{hello("given.test", tcp), nil, tls.VersionTLS12, tls.VerifyClientCertIfGiven},
		{hello("request.test", tcp), nil, tls.VersionTLS12, tls.RequestClientCert},
		{hello("any.test", tcp), nil, tls.VersionTLS12, tls.RequestClientCert},
	} {
		config, err := ends.HTTP().GetConfigForClient(c.hello)
		if err != nil {
			t.Fatal(err)
		}
		if c.base != nil && config != c.base || c.base == nil && (config == base || config == imported) {
			t.Errorf("%s has another configuration than it should", c.hello.ServerName)
		}
		asks := c.auth != tls.NoClientCert
		if config.MinVersion != c.version || config.ClientAuth != c.auth || config.SessionTicketsDisabled != asks {
			t.Errorf("%s: from %x, client %v, tickets disabled %v", c.hello.ServerName, config.MinVersion, config.ClientAuth, config.SessionTicketsDisabled)
		}
		if named := config.ClientCAs != nil; named != (asks && c.hello.ServerName != "any.test") {
			t.Errorf("%s: authorities named: %v", c.hello.ServerName, named)
		}
		for _, certificate := range []string{"", "imported", "gone"} {
			certificateOf := map[string]string{"cert.test": "imported", "gone.test": "gone"}[c.hello.ServerName]
			for _, wants := range []bool{true, false} {
				matcher := &Matcher{Certificate: certificate, Asks: wants, hosts: hosts}
				if matcher.Match(c.hello) != (certificate == certificateOf && wants == asks) {
					t.Errorf("%s: %q, asking %v, is taken wrongly", c.hello.ServerName, certificate, wants)
				}
			}
		}
	}
}

// Without a protocol of ours a client may offer any, and ACME's challenge has its own.
func TestRawChoosesNoProtocol(t *testing.T) {
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", acmeProtocol}}
	ends := &TLS{hosts: new(table.Table), bases: map[string]*tls.Config{"": base}}
	for _, c := range []struct{ offered, want []string }{
		{nil, nil}, {[]string{"h2", "mqtt"}, nil}, {[]string{acmeProtocol}, []string{acmeProtocol}},
	} {
		config, err := ends.Raw().GetConfigForClient(hello("a.test", &net.TCPAddr{Port: 443}, c.offered...))
		if err != nil || !slices.Equal(config.NextProtos, c.want) {
			t.Errorf("of %v: %v, %v", c.offered, config.NextProtos, err)
		}
	}
	if len(base.NextProtos) != 2 {
		t.Error("the configuration of others has changed")
	}
}
