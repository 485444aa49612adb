package certificates

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// shared is a storage that several gateways have, such as that of etcdstorage. What others do to it is noticed.
type shared interface {
	certmagic.Storage
	// Follow tells of the keys in a folder that change; "" where some may have been missed.
	Follow(folder string, tell func(key string)) (end func())
	// Take waits until fewer than most were taken within the window by all gateways.
	Take(ctx context.Context, name string, most int, window time.Duration) error
	// Ordering makes sure that this process has the lock of the subject's order.
	Ordering(ctx context.Context, subject string) error
}

// errOrdered: another gateway has stored a certificate of the name.
var errOrdered = errors.New("it is stored already")

// isStorages says whether an order came to nothing by the storage of etcdstorage: it does not answer, or another gateway has the
// lock or has stored a certificate. certmagic passes on what it says as text.
func isStorages(err error) bool {
	return errors.Is(err, errOrdered) || strings.Contains(err.Error(), "etcd does not answer") ||
		strings.Contains(err.Error(), "the lock was lost")
}

// follow has the certificates that other gateways store taken from the storage as they come.
func (a *App) follow() {
	if storage, ok := a.storage.(shared); ok {
		a.unfollow = storage.Follow("certificates", managed.stored)
	}
}

// pace waits until an authority may be asked for another certificate: its rate is that of all gateways together. certmagic's own
// limit is the process's.
func (a *Authority) pace(ctx context.Context, subject string, renewal bool) error {
	storage, ok := a.config.Storage.(shared)
	if !ok || a.local {
		return nil
	}
	if err := storage.Take(ctx, a.config.Issuers[0].IssuerKey(), certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow); err != nil {
		return err
	}
	// The lock may have been lost while this waited; and certmagic asks whether there is a certificate in a way that takes "I cannot
	// tell" for "no".
	if err := storage.Ordering(ctx, subject); err != nil || renewal {
		return err
	}
	for _, issuer := range a.config.Issuers {
		if err := missing(ctx, storage, issuer.IssuerKey(), subject); err != nil {
			return err
		}
	}
	return nil
}

// missing makes sure that a storage lacks a certificate, or a part of it.
func missing(ctx context.Context, storage certmagic.Storage, issuer, subject string) error {
	keys := certmagic.StorageKeys
	for _, key := range []string{keys.SitePrivateKey(issuer, subject), keys.SiteCert(issuer, subject), keys.SiteMeta(issuer, subject)} {
		switch _, err := storage.Stat(ctx, key); {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
	}
	return errOrdered
}

// stored is told of keys that changed: of a certificate three, of which the last one written is `<name>.json`.
func (n *names) stored(key string) {
	if key == "" {
		go n.reloadAll()
		return
	}
	parts := strings.Split(key, "/")
	if len(parts) != 4 || !strings.HasSuffix(key, ".json") {
		return
	}
	n.mu.RLock()
	known := n.bySubject[strings.Replace(parts[2], "wildcard_", "*", 1)]
	n.mu.RUnlock()
	if known != nil {
		go n.reload(known)
	}
}

func (n *names) reloadAll() {
	n.mu.RLock()
	all := make([]*name, 0, len(n.bySubject))
	for _, known := range n.bySubject {
		all = append(all, known)
	}
	n.mu.RUnlock()
	for _, known := range all {
		n.reload(known)
	}
}

// reload has a name's certificate be the one in the storage, which another gateway has renewed or imported. A name that waits
// for another try tries at once.
func (n *names) reload(it *name) {
	select {
	case <-it.done:
	default:
		select {
		case it.poked <- struct{}{}:
		default:
		}
		return
	}
	authority := n.asked(it)
	if authority == nil {
		return
	}
	loads <- struct{}{}
	defer func() { <-loads }()
	before := n.of(it.Subject)
	fresh, err := authority.config.CacheManagedCertificate(context.Background(), it.Subject)
	if err != nil {
		authority.config.Logger.Warn("a certificate of another gateway cannot be loaded", zap.String("identifier", it.Subject), zap.Error(err))
		return
	}
	cache := n.cache.Load()
	for _, old := range before {
		switch {
		case old.Hash() == fresh.Hash():
		case old.Leaf.NotAfter.After(fresh.Leaf.NotAfter):
			// An old state of the storage takes nothing away.
			cache.Remove([]string{fresh.Hash()})
		default:
			cache.Remove([]string{old.Hash()})
		}
	}
	gone := true
	n.ifWanted(it.Subject, func() { gone = false })
	if gone {
		n.unload([]certmagic.SubjectIssuer{{Subject: it.Subject}})
	}
}

// of are the certificates in memory for exactly this name.
func (n *names) of(subject string) []certmagic.Certificate {
	cache := n.cache.Load()
	if cache == nil {
		return nil
	}
	return slices.DeleteFunc(cache.AllMatchingCertificates(subject), func(cert certmagic.Certificate) bool {
		return cert.Leaf == nil || !slices.Contains(cert.Names, subject)
	})
}
