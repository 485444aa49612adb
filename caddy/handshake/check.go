// Package handshake secures connections as the rows of the host table demand: it chooses how TLS is ended for a name,
// and checks at each request what the connection did, since only the request tells which row takes it.
package handshake

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"gatewright.dev/caddy/table"
)

// What a connection lacks. Another connection could have a certificate; it cannot make a wrong one right.
var (
	ErrNoCertificate = errors.New("the client showed no certificate")
	ErrCertificate   = errors.New("the client's certificate is of none of the authorities")
	ErrVersion       = errors.New("the version of TLS is below what is demanded")
)

// Check tells what a connection lacks of what a row demands of it; nil when nothing. It does not matter which options the
// handshake had, nor whether a session was resumed.
func Check(demanded table.Demands, state *tls.ConnectionState) error {
	if demanded.None() {
		return nil
	}
	if state == nil || state.Version < versionOf(demanded) {
		return ErrVersion
	}
	mode := demanded.ClientMode()
	if mode == "" || mode == "request" {
		return nil
	}
	if len(state.PeerCertificates) == 0 {
		if mode == "require" {
			return ErrNoCertificate
		}
		return nil
	}
	if !verified(demanded, state.PeerCertificates) {
		return ErrCertificate
	}
	return nil
}

// versionOf is the lowest version of TLS that is demanded.
func versionOf(demanded table.Demands) uint16 {
	if demanded.MinVersion() == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// maxKept bounds what is remembered; beyond it all is forgotten.
const maxKept = 4096

// verdictTime is how long a verdict holds: a certificate that expires is noticed by then.
const verdictTime = time.Minute

// shown is a chain of certificates before the authorities of a row.
type shown struct {
	chain    [sha256.Size]byte
	demanded table.Demands
}

type verdict struct {
	good  bool
	until time.Time
}

var (
	verdicts = kept[shown, verdict]{}
	pools    = kept[table.Demands, *x509.CertPool]{}
)

// verified tells whether a client's chain leads to one of the authorities. A signature costs a hundred times what it
// takes to find out that it was checked before.
func verified(demanded table.Demands, chain []*x509.Certificate) bool {
	digest := sha256.New()
	for _, certificate := range chain {
		_, _ = digest.Write(certificate.Raw)
	}
	key := shown{demanded: demanded}
	digest.Sum(key.chain[:0])
	now := time.Now()
	if known, ok := verdicts.get(key); ok && now.Before(known.until) {
		return known.good
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: authorities(demanded), Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	verdicts.put(key, verdict{err == nil, now.Add(verdictTime)})
	return err == nil
}

// authorities are those of a row's client certificates; nil for none.
func authorities(demanded table.Demands) *x509.CertPool {
	if demanded.ClientCAs() == "" {
		return nil
	}
	if pool, ok := pools.get(demanded); ok {
		return pool
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(demanded.ClientCAs()))
	pools.put(demanded, pool)
	return pool
}
