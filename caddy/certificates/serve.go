package certificates

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

func init() {
	caddy.RegisterModule(Source{})
	caddy.RegisterModule(Nobody{})
}

// Source is the module `tls.get_certificate.gatewright`, by which an automation policy serves the managed names.
type Source struct{}

// CaddyModule returns the module's information.
func (Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.get_certificate.gatewright", New: func() caddy.Module { return new(Source) }}
}

// GetCertificate is nil for names that are not managed, or have no certificate yet.
func (Source) GetCertificate(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Others who ask for the name get what the first one finds, although that client may leave meanwhile.
	return managed.certificate(context.WithoutCancel(ctx), hello), nil
}

// Nobody is the module `tls.permission.gatewright_nobody`: a policy with a source of certificates is one of on-demand
// certificates to Caddy, and nothing shall be ordered on demand.
type Nobody struct{}

// CaddyModule returns the module's information.
func (Nobody) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.permission.gatewright_nobody", New: func() caddy.Module { return new(Nobody) }}
}

// CertificateAllowed permits nothing.
func (Nobody) CertificateAllowed(_ context.Context, name string) error {
	return fmt.Errorf("%w: %s is not ordered on demand", caddytls.ErrPermissionDenied, name)
}

// Interface guards.
var (
	_ certmagic.Manager           = Source{}
	_ caddytls.OnDemandPermission = Nobody{}
)
