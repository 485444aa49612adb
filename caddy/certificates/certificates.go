// Package certificates gets, renews and serves the certificates of the names in the host table (names), and tells what
// became of them: the admin route `/gatewright/certificates` answers, for the names asked for, the certificate that is
// served and the last failure.
//
// A configuration says who signs, has Caddy's TLS served from here, and tells of what Caddy orders on demand by itself:
//
//	{
//		"apps": {
//			"gatewright_certificates": {
//				"authorities": {"internal": {"issuers": [{"module": "internal"}]}}
//			},
//			"tls": {
//				"automation": {
//					"policies": [{"get_certificate": [{"via": "gatewright"}], "issuers": [{"module": "internal"}]}],
//					"on_demand": {"permission": {"module": "gatewright_nobody"}}
//				}
//			},
//			"events": {
//				"subscriptions": [{
//					"events": ["cert_obtaining", "cert_obtained", "cert_failed"],
//					"handlers": [{"handler": "gatewright_certificates"}]
//				}]
//			}
//		}
//	}
package certificates

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/internal/admin"
)

func init() {
	caddy.RegisterModule(Recorder{})
	caddy.RegisterModule(Admin{})
}

// Recorder is the module `events.handlers.gatewright_certificates`. What it records belongs to the process and
// outlives a reload.
type Recorder struct{}

// CaddyModule returns the module's information.
func (Recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "events.handlers.gatewright_certificates",
		New: func() caddy.Module { return new(Recorder) },
	}
}

// Handle records an event. It never aborts what the event is about.
func (Recorder) Handle(_ context.Context, event caddy.Event) error {
	record(event.Name(), event.Data, event.Timestamp())
	return nil
}

// record takes note of what certmagic tells of a name.
func record(event string, data map[string]any, at time.Time) {
	name, _ := data["identifier"].(string)
	if name == "" {
		return
	}
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtaining":
		ordersBegun.WithLabelValues(renewals[renewal]).Inc()
		attempts.begin(name, at)
	case "cert_obtained":
		countIssued(renewal, attempts.of(name), at)
		attempts.forget(name)
	case "cert_failed":
		reason, cause := "unknown reason", otherCause
		if err, ok := data["error"].(error); ok {
			// The name was not wanted any more.
			if errors.Is(err, context.Canceled) {
				return
			}
			reason, cause = err.Error(), causeOf(err)
		}
		ordersFailed.WithLabelValues(cause, renewals[renewal]).Inc()
		attempts.fail(name, reason, renewal, at)
	}
}

// Admin is the module `admin.api.gatewright_certificates`:
//
//	POST /gatewright/certificates  {"names": ["a.example.com"]}
//	→ {"certificates": [{"name": "a.example.com", "served": {…}, "attempt": {…}}]}
//
// `served` is the managed certificate in memory, absent when there is none; `attempt` is the order under way and
// its last failure, absent when nothing is wanting.
type Admin struct{}

// CaddyModule returns the module's information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.gatewright_certificates", New: func() caddy.Module { return new(Admin) }}
}

// Routes returns the routes of the admin endpoint.
func (Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{admin.Route("/gatewright/certificates", admin.Actions{http.MethodPost: answer})}
}

type state struct {
	Name    string   `json:"name"`
	Served  *served  `json:"served,omitempty"`
	Attempt *attempt `json:"attempt,omitempty"`
}

type served struct {
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

func answer(r *http.Request) (any, error) {
	var asked struct {
		Names []string `json:"names"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	states := make([]state, 0, len(asked.Names))
	for _, name := range asked.Names {
		states = append(states, state{Name: name, Served: servedFor(name), Attempt: attempts.of(name)})
	}
	return map[string]any{"certificates": states}, nil
}

// servedFor returns the managed certificate for exactly this name that is valid longest.
func servedFor(name string) *served {
	var best certmagic.Certificate
	for _, cert := range managed.inMemory(name) {
		if cert.Leaf == nil || !slices.Contains(cert.Names, name) {
			continue
		}
		if best.Leaf == nil || cert.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = cert
		}
	}
	if best.Leaf == nil {
		return nil
	}
	return &served{
		Issuer:    best.Leaf.Issuer.String(),
		Serial:    best.Leaf.SerialNumber.Text(16),
		Names:     best.Names,
		NotBefore: best.Leaf.NotBefore,
		NotAfter:  best.Leaf.NotAfter,
	}
}

// inMemory are the certificates that could be shown for a name: ours, and those that Caddy has ordered on demand. What it
// has loaded from files carries a tag, and is nobody's to manage.
func (n *names) inMemory(name string) (found []certmagic.Certificate) {
	if cache := n.cache.Load(); cache != nil {
		found = cache.AllMatchingCertificates(name)
	}
	// Before the first tls app there is no cache to look into, and looking panics.
	if _, err := caddy.ActiveContext().AppIfConfigured("tls"); err != nil {
		return found
	}
	return append(found, slices.DeleteFunc(caddytls.AllMatchingCertificates(name), func(cert certmagic.Certificate) bool {
		return len(cert.Tags) > 0
	})...)
}

// Interface guards.
var (
	_ caddyevents.Handler = Recorder{}
	_ caddy.AdminRouter   = Admin{}
)
