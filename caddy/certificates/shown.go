package certificates

import (
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// Shown is the certificate that clients are shown who ask for a name.
type Shown struct {
	Names    []string  `json:"names"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	// Imported: it is not one that is ordered and renewed here.
	Imported bool `json:"imported,omitempty"`
}

// Explain is the certificate that would be shown for a name; nil when there is none now. Imported is the id of the one that
// the rows of the name demand; "" for none. With the certificate comes what became of the last order for the name.
func Explain(name, imported string) (shown *Shown, order any) {
	found := inProcess(name)
	if imported != "" {
		found = slices.DeleteFunc(found, func(cert certmagic.Certificate) bool { return !slices.Contains(cert.Tags, imported) })
	}
	if known := attempts.of(name); known != nil {
		order = known
	}
	now := time.Now()
	// The first that is valid, as certmagic chooses, else any.
	at := max(slices.IndexFunc(found, func(cert certmagic.Certificate) bool { return cert.Leaf.NotAfter.After(now) }), 0)
	if len(found) == 0 {
		return nil, order
	}
	cert := found[at]
	return &Shown{cert.Names, cert.Leaf.Issuer.String(), cert.Leaf.NotAfter, len(cert.Tags) > 0}, order
}

// inProcess are the certificates that have a name, or a wildcard that covers it, in the order in which they are looked for:
// those that Caddy has loaded or ordered itself, then those of the host table's names.
func inProcess(name string) (found []certmagic.Certificate) {
	if _, err := caddy.ActiveContext().AppIfConfigured("tls"); err == nil {
		found = caddytls.AllMatchingCertificates(name)
	}
	if cache := managed.cache.Load(); cache != nil {
		found = append(found, cache.AllMatchingCertificates(name)...)
	}
	return slices.DeleteFunc(found, func(cert certmagic.Certificate) bool { return cert.Leaf == nil })
}
