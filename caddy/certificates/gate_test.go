package certificates

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/internal/notify"
)

func init() { caddy.RegisterModule(gate{}) }

// gate is an issuer of tests: it signs when it is let, and tells what it was asked for.
type gate struct {
	// Key tells gates apart.
	Key string `json:"key,omitempty"`
}

var gates = struct {
	sync.Mutex
	changed notify.Notifier
	// orders are those that were begun, signed those that were ended well, ended those that were cancelled.
	orders, signed, ended map[string]int
	// closed are the names that nothing is signed for, refused those that are refused.
	closed, refused map[string]bool
	// life is that of the certificates.
	life time.Duration
}{orders: map[string]int{}, signed: map[string]int{}, ended: map[string]int{}, closed: map[string]bool{}, refused: map[string]bool{}, life: time.Hour}

// set changes what gates do.
func set(change func()) {
	gates.Lock()
	defer gates.Unlock()
	change()
	gates.changed.Tell()
}

// count is one of the counts of a name.
func count(of map[string]int, name string) int {
	gates.Lock()
	defer gates.Unlock()
	return of[name]
}

func (gate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.issuance.test_gate", New: func() caddy.Module { return new(gate) }}
}

func (g *gate) IssuerKey() string { return "gate" + g.Key }

func (g *gate) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	name := csr.DNSNames[0]
	set(func() { gates.orders[name]++ })
	for {
		changed := gates.changed.Wait()
		gates.Lock()
		closed, refused, life := gates.closed[name], gates.refused[name], gates.life
		gates.Unlock()
		if refused {
			return nil, errors.New("refused")
		}
		if !closed {
			signed, err := sign(csr, g.Key, life)
			set(func() { gates.signed[name]++ })
			return signed, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			set(func() { gates.ended[name]++ })
			return nil, ctx.Err()
		}
	}
}

var gateKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func sign(csr *x509.CertificateRequest, issuer string, life time.Duration) (*certmagic.IssuedCertificate, error) {
	parent := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gate" + issuer}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: csr.DNSNames, NotBefore: time.Now(), NotAfter: time.Now().Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, csr.PublicKey, gateKey())
	if err != nil {
		return nil, err
	}
	var chain bytes.Buffer
	if err := pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: chain.Bytes()}, nil
}
