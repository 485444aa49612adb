package certificates

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/handover"
)

func init() { caddy.RegisterModule(App{}) }

// App is the app `gatewright_certificates`: who signs the certificates of the names in the host table. The names, their
// certificates and their orders belong to the process (see names); a configuration only says who is asked from now on.
type App struct {
	// Authorities are what the rows' names call their issuers.
	Authorities map[string]*Authority `json:"authorities,omitempty"`

	// Credentials changes with what issuers read from files, which no configuration shows. Names that failed are tried at once
	// when it does. Default: none.
	Credentials string `json:"credentials,omitempty"`

	// RenewInterval is how often it is looked for certificates to renew; that of the first configuration of a process
	// holds. Default: 10m.
	RenewInterval caddy.Duration `json:"renew_interval,omitempty"`

	// RenewalWindowRatio is how much of a certificate's life is left when it is due for renewal. Default: a third.
	RenewalWindowRatio float64 `json:"renewal_window_ratio,omitempty"`

	storage certmagic.Storage
	// unfollow ends what the storage tells; nil where it tells nothing.
	unfollow func()
}

// Authority is who signs.
type Authority struct {
	// IssuersRaw are Caddy's issuers; the next one is asked where one has refused.
	IssuersRaw []json.RawMessage `json:"issuers,omitempty" caddy:"namespace=tls.issuance inline_key=module"`

	// key is equal for equal authorities of different configurations.
	key    string
	config *certmagic.Config
	// local: it signs at once, so that a handshake may wait for it.
	local bool
	// orders bounds those that are under way; one that waits for another try is not. retries bounds those of names that have
	// failed, so that new ones do not wait for long.
	orders, retries chan struct{}
}

// maxOrders is how many orders of an authority may be under way. Its rate is certmagic's matter. With certmagic's own thousand a
// small authority, on a machine of two busy processors, answered later than its clients wait: they asked again, and it had
// orders that nobody knew of.
const maxOrders = 250

// maxRetries is how many of them may be of names that have failed: what the rate allows in its window, so that it is the
// longest that a new name waits for them.
func maxRetries() int { return max(1, min(certmagic.RateLimitEvents, maxOrders/2)) }

// CaddyModule returns the module's information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "gatewright_certificates", New: func() caddy.Module { return new(App) }}
}

// Provision sets the authorities up.
func (a *App) Provision(ctx caddy.Context) error {
	a.storage = ctx.Storage()
	for name, authority := range a.Authorities {
		if authority == nil || len(authority.IssuersRaw) == 0 {
			return fmt.Errorf("authorities[%s]: issuers is empty", name)
		}
		if err := authority.provision(ctx, a); err != nil {
			return fmt.Errorf("authorities[%s]: %w", name, err)
		}
	}
	return nil
}

func (a *Authority) provision(ctx caddy.Context, of *App) error {
	key, err := json.Marshal(a.IssuersRaw)
	if err != nil {
		return err
	}
	loaded, err := ctx.LoadModule(a, "IssuersRaw")
	if err != nil {
		return err
	}
	a.key, a.local = string(key), true
	var issuers []certmagic.Issuer
	for _, module := range loaded.([]any) {
		issuer, ok := module.(certmagic.Issuer)
		if !ok {
			return errors.New("a module of issuers is no issuer")
		}
		_, internal := module.(*caddytls.InternalIssuer)
		a.local = a.local && internal
		issuers = append(issuers, issuer)
	}
	a.config = certmagic.New(managed.open(time.Duration(of.RenewInterval)), certmagic.Config{
		Issuers:            issuers,
		Storage:            ctx.Storage(),
		RenewalWindowRatio: of.RenewalWindowRatio,
		// The process's, since orders outlive configurations; the name is that of Caddy's own.
		Logger: caddy.Log().Named("tls"),
		OnEvent: func(ctx context.Context, event string, data map[string]any) error {
			managed.record(event, data)
			if event == "cert_obtaining" {
				subject, _ := data["identifier"].(string)
				renewal, _ := data["renewal"].(bool)
				return a.pace(ctx, subject, renewal)
			}
			return nil
		},
	})
	for _, issuer := range issuers {
		if wants, ok := issuer.(caddytls.ConfigSetter); ok {
			wants.SetConfig(a.config)
		}
	}
	a.orders, a.retries = make(chan struct{}, maxOrders), make(chan struct{}, maxRetries())
	return nil
}

// succeed has the authorities go on with the bounds of equal ones.
func (a *App) succeed(before *App) {
	for name, authority := range a.Authorities {
		if old := before.Authorities[name]; old != nil && old.key == authority.key {
			authority.orders, authority.retries = old.orders, old.retries
		}
	}
}

// Start has the authorities asked once the configuration runs.
func (a *App) Start() error {
	managed.use(a)
	a.follow()
	return nil
}

// Stop leaves names and orders as they are: a newer configuration runs, or the one before goes on.
func (a *App) Stop() error {
	managed.disuse(a)
	if a.unfollow != nil {
		a.unfollow()
	}
	return nil
}

// order has a certificate issued, or renewed, once. How often it failed before tells certmagic whether to ask an authority
// for tests first, where there is one.
func (a *Authority) order(ctx context.Context, subject string, renewal bool, failures int) error {
	rooms := []chan struct{}{a.orders}
	if failures > 0 {
		rooms = []chan struct{}{a.retries, a.orders}
	}
	for _, room := range rooms {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if handover.IsDraining() {
		// The process that has this one's place orders it.
		<-ctx.Done()
		return ctx.Err()
	}
	ctx = context.WithValue(ctx, certmagic.AttemptsCtxKey, &failures)
	if renewal {
		return a.config.RenewCertSync(ctx, subject, false)
	}
	return a.config.ObtainCertSync(ctx, subject)
}

// Interface guards.
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)
