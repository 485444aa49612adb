package certificates

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/internal/notify"
	"gatewright.dev/caddy/table"
)

// names are those of the host table whose certificates are managed. They belong to the process, as the host table does:
// a configuration that comes or goes ends no order and unloads no certificate.
type names struct {
	// change is held by whoever takes names in or out.
	change sync.Mutex
	// mu is never held while the cache is asked: the cache asks back while it is locked.
	mu        sync.RWMutex
	bySubject map[string]*name
	// apps are those of the configurations that were started and not stopped, the newest last; current is the one whose
	// authorities are asked.
	apps    []*App
	current *App
	// staged is closed when the changes that are staged are stored or taken back; nil while there are none.
	staged chan struct{}
	// leaving are the names that went with these. What is under way for them goes on until then.
	leaving map[table.ManagedName]bool
	// firstPause is defaultPause but in tests.
	firstPause time.Duration
	// credentials tells that issuers were given others.
	credentials notify.Notifier
	// cache has their certificates, with no bound but the names; nil before there is an authority.
	cache atomic.Pointer[certmagic.Cache]
}

// name is one of them, and what is being done for it.
type name struct {
	table.ManagedName
	// authority is the one that is asked; nil while no configuration has it.
	authority *Authority
	// stored is closed once a row with it is stored: before, no authority is asked. Nil: one is.
	stored <-chan struct{}
	// left: no row has it any more. What is under way comes to its end.
	left bool
	end  context.CancelFunc
	// settled is closed once no handshake needs to wait: there is a certificate, or it takes an order.
	settled chan struct{}
	settle  func()
	// poked ends a wait for another try: another gateway has stored a certificate of the name.
	poked chan struct{}
	// done is closed when nothing is under way.
	done chan struct{}
}

// managed are the names of the process.
var managed = &names{
	bySubject: make(map[string]*name), leaving: make(map[table.ManagedName]bool), firstPause: defaultPause,
}

func init() { app.HostTable().FollowNames(managed.follow) }

// loadTime is how long a handshake waits for a certificate that is being read or signed here.
const loadTime = 5 * time.Second

// open returns the cache.
func (n *names) open(renewInterval time.Duration) *certmagic.Cache {
	n.change.Lock()
	defer n.change.Unlock()
	if n.cache.Load() == nil {
		n.cache.Store(certmagic.NewCache(certmagic.CacheOptions{
			GetConfigForCert: n.configOf, RenewCheckInterval: renewInterval, Logger: caddy.Log().Named("tls.cache"),
		}))
	}
	return n.cache.Load()
}

// configOf is how a certificate is renewed: as the configuration that runs now has it.
func (n *names) configOf(certificate certmagic.Certificate) (*certmagic.Config, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, subject := range certificate.Names {
		if known := n.bySubject[subject]; known != nil && known.authority != nil {
			return known.authority.config, nil
		}
	}
	// The cache is locked.
	go n.drop(certificate)
	return nil, fmt.Errorf("no row has the names %v any more", certificate.Names)
}

// drop takes a certificate out that no row has a name of any more, if it is still so. Its names went while it was renewed:
// certmagic puts what it was given in its place, whoever has taken that away meanwhile.
func (n *names) drop(certificate certmagic.Certificate) {
	n.change.Lock()
	defer n.change.Unlock()
	n.mu.RLock()
	wanted := slices.ContainsFunc(certificate.Names, func(subject string) bool { return n.bySubject[subject] != nil })
	n.mu.RUnlock()
	if cache := n.cache.Load(); cache != nil && !wanted {
		cache.Remove([]string{certificate.Hash()})
	}
}

// use takes note of a configuration that starts. It may fail yet: while there is one before it, that one's authorities are
// asked.
func (n *names) use(newest *App) {
	n.change.Lock()
	defer n.change.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apps = append(n.apps, newest)
	if n.current == nil {
		n.adopt(newest)
	}
}

// disuse takes note of one that ends: it has failed, or another one runs in its place.
func (n *names) disuse(old *App) {
	n.change.Lock()
	defer n.change.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apps = slices.DeleteFunc(n.apps, func(other *App) bool { return other == old })
	switch {
	case n.current != old:
	case len(n.apps) == 0:
		n.adopt(nil)
	default:
		n.adopt(n.apps[len(n.apps)-1])
	}
}

// adopt has the names' authorities be those of a configuration. Names whose authority is the same notice nothing, and those
// that failed wait for their time; others begin again. The caller holds the locks.
func (n *names) adopt(newest *App) {
	before := n.current
	n.current = newest
	if newest != nil && before != nil {
		newest.succeed(before)
		if newest.Credentials != before.Credentials {
			n.credentials.Tell()
		}
	}
	for _, known := range n.bySubject {
		authority := n.authority(known.Issuer)
		switch {
		case authority == nil || known.left:
		case known.authority != nil && known.authority.key == authority.key:
			// What is under way goes on with the old one, which is equal.
			known.authority = authority
		default:
			n.begin(known.ManagedName, known.stored)
		}
	}
}

// authority is the one that is asked; nil where the configuration has none of the kind.
func (n *names) authority(issuer string) *Authority {
	if n.current == nil {
		return nil
	}
	return n.current.Authorities[issuer]
}

// record takes note of what certmagic tells of a name that a row has.
func (n *names) record(event string, data map[string]any) {
	subject, _ := data["identifier"].(string)
	n.ifWanted(subject, func() { record(event, data, time.Now()) })
}

// ifWanted does something that must not follow the end of a name.
func (n *names) ifWanted(subject string, do func()) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if known := n.bySubject[subject]; known != nil && !known.left {
		do()
	}
}

// follow is told by the host table which names came and went. A staged change may be taken back: until it is stored no authority
// is asked for what came with it, and nothing is ended of what went.
func (n *names) follow(came, went []table.ManagedName, staged bool) {
	n.change.Lock()
	defer n.change.Unlock()
	for _, one := range went {
		n.leaving[one] = true
	}
	for _, one := range came {
		delete(n.leaving, one)
	}
	if !staged {
		n.forget(slices.Collect(maps.Keys(n.leaving)))
		clear(n.leaving)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case staged && n.staged == nil:
		n.staged = make(chan struct{})
	case !staged && n.staged != nil:
		close(n.staged)
		n.staged = nil
	}
	for _, one := range came {
		if known := n.bySubject[one.Subject]; known == nil || known.left || known.ManagedName != one {
			n.begin(one, n.staged)
		}
	}
}

// forget ends orders and renewals of names.
func (n *names) forget(went []table.ManagedName) {
	var idle []certmagic.SubjectIssuer
	n.mu.Lock()
	for _, one := range went {
		known := n.bySubject[one.Subject]
		if known == nil || known.left || known.ManagedName != one {
			continue
		}
		known.left = true
		known.end()
		known.settle()
		select {
		case <-known.done:
			delete(n.bySubject, one.Subject)
			idle = append(idle, certmagic.SubjectIssuer{Subject: one.Subject})
		default:
			// What is under way takes it out at its end.
		}
		attempts.forget(one.Subject)
	}
	n.mu.Unlock()
	n.unload(idle)
}

func (n *names) unload(subjects []certmagic.SubjectIssuer) {
	if cache := n.cache.Load(); cache != nil {
		cache.RemoveManaged(subjects)
	}
}

// certificate is what a handshake shows; nil for a name that is none of these, or whose order is under way.
func (n *names) certificate(ctx context.Context, hello *tls.ClientHelloInfo) *tls.Certificate {
	asked := strings.ToLower(hello.ServerName)
	if found := n.find(asked, hello); found != nil {
		return found
	}
	settled := n.unsettled(asked)
	if settled == nil {
		return nil
	}
	timeout := time.NewTimer(loadTime)
	defer timeout.Stop()
	select {
	case <-settled:
	case <-timeout.C:
	case <-ctx.Done():
	}
	return n.find(asked, hello)
}

func (n *names) find(asked string, hello *tls.ClientHelloInfo) *tls.Certificate {
	cache := n.cache.Load()
	if cache == nil {
		return nil
	}
	found, err := certmagic.DefaultCertificateSelector(hello, cache.AllMatchingCertificates(asked))
	if err != nil {
		return nil
	}
	return &found.Certificate
}

// unsettled is what a handshake waits for; nil for nothing.
func (n *names) unsettled(asked string) <-chan struct{} {
	n.mu.RLock()
	defer n.mu.RUnlock()
	known := n.bySubject[asked]
	if _, domain, ok := strings.Cut(asked, "."); known == nil && ok {
		known = n.bySubject["*."+domain]
	}
	if known == nil {
		return nil
	}
	return known.settled
}
