package certificates

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/handover"
	"gatewright.dev/caddy/table"
)

const (
	// maxLoads bounds how many certificates are read at once; each takes a thread of the system.
	maxLoads = 64
	// defaultPause is the wait after the first failure; each further one doubles it.
	defaultPause = time.Minute
	maxPause     = time.Hour
	// storagePause is the wait while the storage does not answer.
	storagePause = 2 * time.Second
)

var loads = make(chan struct{}, maxLoads)

// begin has a name's certificate got, after whatever is under way for it under another authority has ended. The caller
// holds the locks.
func (n *names) begin(of table.ManagedName, stored <-chan struct{}) {
	before := n.bySubject[of.Subject]
	ctx, end := context.WithCancel(context.Background())
	settled := make(chan struct{})
	begun := &name{
		ManagedName: of, authority: n.authority(of.Issuer), stored: stored, end: end, done: make(chan struct{}), poked: make(chan struct{}, 1),
		settled: settled, settle: sync.OnceFunc(func() { close(settled) }),
	}
	n.bySubject[of.Subject] = begun
	if before != nil {
		before.end()
	}
	if begun.authority == nil {
		begun.settle()
	}
	go n.run(ctx, begun, before)
}

func (n *names) run(ctx context.Context, it, before *name) {
	this := []certmagic.SubjectIssuer{{Subject: it.Subject}}
	if before != nil {
		<-before.done
		n.unload(this)
	}
	if n.asked(it) != nil {
		n.get(ctx, it)
	}
	it.settle()
	n.mu.Lock()
	defer n.mu.Unlock()
	if ctx.Err() != nil {
		n.mu.Unlock()
		n.unload(this)
		n.mu.Lock()
		if n.bySubject[it.Subject] == it {
			delete(n.bySubject, it.Subject)
		}
	}
	close(it.done)
}

// get returns when there is a certificate, which is then renewed in time, or when the context ends. Of trouble it is told by
// certmagic, or it records it. Other credentials have it try again at once.
func (n *names) get(ctx context.Context, it *name) {
	for failures := 0; ; failures++ {
		credentials := n.credentials.Wait()
		err := n.try(ctx, it, n.asked(it), failures)
		if err == nil {
			// Where another gateway has ordered it, nobody else says that the trouble is over.
			attempts.forget(it.Subject)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		it.settle()
		n.ifWanted(it.Subject, func() { attempts.trouble(it.Subject, err, time.Now()) })
		wait := n.pause(failures)
		if isStorages(err) {
			// No authority has refused.
			wait = storagePause
			failures--
		}
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-credentials:
		case <-it.poked:
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// pause is the wait for another try after so many failures before the last one.
func (n *names) pause(failures int) time.Duration {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return min(n.firstPause<<min(failures, 10), maxPause)
}

// asked is a name's authority as the newest configuration has it.
func (n *names) asked(it *name) *Authority {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return it.authority
}

func (n *names) try(ctx context.Context, it *name, authority *Authority, failures int) error {
	config := authority.config
	loads <- struct{}{}
	certificate, err := config.CacheManagedCertificate(ctx, it.Subject)
	<-loads
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	if !authority.local || !missing && !certificate.Expired() {
		it.settle()
	}
	if !missing && !certificate.NeedsRenewal(config) {
		return nil
	}
	// The authority comes at once to see who has the name, and must find our servers. A change that is not stored may be taken
	// back, and costs no order.
	awaited := []<-chan struct{}{handover.Serving()}
	if it.stored != nil && !authority.local {
		awaited = append(awaited, it.stored)
	}
	for _, one := range awaited {
		select {
		case <-one:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := authority.order(ctx, it.Subject, !missing, failures); err != nil {
		return err
	}
	ordered, err := config.CacheManagedCertificate(ctx, it.Subject)
	if err == nil && !missing && ordered.Hash() != certificate.Hash() {
		n.cache.Load().Remove([]string{certificate.Hash()})
	}
	return err
}
