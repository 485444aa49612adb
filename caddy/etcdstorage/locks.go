package etcdstorage

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// ErrLockLost is a write under a lock that this process does not hold any more: its lease ended while etcd was not to be
// reached, and another process may hold the lock by now.
var ErrLockLost = errors.New("the lock was lost")

// issueLock begins the names of certmagic's locks for orders; the name on the certificate follows.
const issueLock = "issue_cert_"

// hold is a lock that this process has.
type hold struct {
	key      string
	revision int64
	session  *concurrency.Session
	// seen is etcd's revision of the last change that is known of what the lock guards: by its holder, who has looked at it since.
	seen int64
}

// isHeld is what a transaction compares that shall happen under the lock alone.
func (h *hold) isHeld() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(h.key), "=", h.revision)
}

func (h *hold) isLost() bool {
	select {
	case <-h.session.Done():
		return true
	default:
		return false
	}
}

// locks are those of the process in one etcd, by their names.
type locks struct {
	mu    sync.Mutex
	turns map[string]*turn
	holds map[string]*hold
}

// turn makes the goroutines of the process wait for each other, since a lease tells apart processes alone.
type turn struct {
	room chan struct{} // who is in it may ask etcd for the lock
	// wanted is how many are in it or wait for it.
	wanted int
}

// enter waits for the turn of a name.
func (l *locks) enter(ctx context.Context, name string) error {
	l.mu.Lock()
	one := l.turns[name]
	if one == nil {
		one = &turn{room: make(chan struct{}, 1)}
		l.turns[name] = one
	}
	one.wanted++
	l.mu.Unlock()
	select {
	case one.room <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.unwant(name, one)
		return ctx.Err()
	}
}

// tryEnter says whether it was nobody's turn, and now is the caller's.
func (l *locks) tryEnter(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns[name] != nil {
		return false
	}
	one := &turn{room: make(chan struct{}, 1), wanted: 1}
	one.room <- struct{}{}
	l.turns[name] = one
	return true
}

func (l *locks) leave(name string) {
	l.mu.Lock()
	one := l.turns[name]
	l.mu.Unlock()
	<-one.room
	l.unwant(name, one)
}

func (l *locks) unwant(name string, one *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.wanted--; one.wanted == 0 {
		delete(l.turns, name)
	}
}

func (l *locks) of(name string) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holds[name]
}

func (l *locks) set(name string, to *hold) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to != nil {
		l.holds[name] = to
		return
	}
	delete(l.holds, name)
}

// guarding is the lock under which a key of the storage is written, with its name: the order of the name that its folder is of.
// Nil where this process has none.
func (l *locks) guarding(key string) (string, *hold) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "certificates" {
		return "", nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, held := range l.holds {
		if subject, ok := strings.CutPrefix(name, issueLock); ok && certmagic.StorageKeys.Safe(subject) == parts[2] {
			return name, held
		}
	}
	return "", nil
}

// Ordering makes sure that this process has the lock of a name's order, as etcd has it now. It returns ErrLockLost where not.
func (s *Storage) Ordering(ctx context.Context, subject string) error {
	held := s.cluster.locks.of(issueLock + subject)
	if held == nil {
		return fmt.Errorf("ordering %s: %w", subject, ErrLockLost)
	}
	return s.stillHeld(ctx, held)
}

// Lock waits for the lock, as long as the context lives and etcd answers.
func (s *Storage) Lock(ctx context.Context, name string) error {
	locks := s.cluster.locks
	if err := locks.enter(ctx, name); err != nil {
		return err
	}
	held, err := s.acquire(ctx, name, true)
	if err != nil {
		locks.leave(name)
		return err
	}
	locks.set(name, held)
	return nil
}

// TryLock takes the lock if nobody has it.
func (s *Storage) TryLock(ctx context.Context, name string) (bool, error) {
	locks := s.cluster.locks
	if !locks.tryEnter(name) {
		return false, nil
	}
	held, err := s.acquire(ctx, name, false)
	if held == nil {
		locks.leave(name)
		return false, err
	}
	locks.set(name, held)
	return true, nil
}

// RenewLockLease is called while certmagic tries again and again under one lock. The lease needs no help; a lock that was
// lost is waited for once more, so that its work goes on.
func (s *Storage) RenewLockLease(ctx context.Context, name string, _ time.Duration) error {
	held := s.cluster.locks.of(name)
	if held == nil {
		return fmt.Errorf("%s: %w", name, ErrLockLost)
	}
	if !held.isLost() {
		return nil
	}
	again, err := s.acquire(ctx, name, true)
	if err != nil {
		return err
	}
	s.cluster.locks.set(name, again)
	return nil
}

// Unlock gives the lock back. While etcd does not answer it is given back in the background, and nobody of this process has
// it until then.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	locks := s.cluster.locks
	held := locks.of(name)
	if held == nil {
		return fmt.Errorf("the lock %s is not held", name)
	}
	locks.set(name, nil)
	err := s.giveBack(ctx, held)
	if err == nil {
		locks.leave(name)
		return nil
	}
	s.cluster.log.Warn("a lock is given back later", zap.String("lock", name), zap.Error(err))
	go func() {
		defer locks.leave(name)
		for !held.isLost() {
			select {
			case <-time.After(probeInterval):
			case <-held.session.Done():
				return
			}
			if s.giveBack(s.cluster.ctx, held) == nil {
				return
			}
		}
	}()
	return nil
}

func (s *Storage) giveBack(ctx context.Context, held *hold) error {
	return s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Txn(ctx).If(held.isHeld()).Then(clientv3.OpDelete(held.key)).Commit()
		return err
	})
}

// acquire takes the lock of the name; nil where another process has it and it shall not wait.
func (s *Storage) acquire(ctx context.Context, name string, wait bool) (*hold, error) {
	key := s.cluster.settings.Prefix + locksFolder + name
	for {
		session, err := s.cluster.leased(ctx)
		if err != nil {
			return nil, err
		}
		created, owner, err := s.create(ctx, key, session)
		switch {
		case err != nil:
			return nil, err
		case owner == session.Lease():
			return &hold{key, created, session, created}, nil
		case !wait:
			return nil, nil
		}
		if err := s.untilGone(ctx, key, session); err != nil {
			return nil, err
		}
	}
}

// create puts the lock's key if there is none, and says when it was put and whose it is.
func (s *Storage) create(ctx context.Context, key string, session *concurrency.Session) (revision int64, owner clientv3.LeaseID, err error) {
	err = s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		done, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, s.cluster.settings.Instance, clientv3.WithLease(session.Lease()))).
			Else(clientv3.OpGet(key)).
			Commit()
		if err != nil {
			return err
		}
		if done.Succeeded {
			revision, owner = done.Header.Revision, session.Lease()
			return nil
		}
		// It is ours where an answer was lost.
		if found := done.Responses[0].GetResponseRange().Kvs; len(found) == 1 {
			revision, owner = found[0].CreateRevision, clientv3.LeaseID(found[0].Lease)
		}
		return nil
	})
	return revision, owner, err
}

// untilGone returns when the key is worth another try: it was deleted, or its watch ended.
func (s *Storage) untilGone(ctx context.Context, key string, session *concurrency.Session) error {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	var now int64
	err := s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		found, err := client.Get(ctx, key)
		if err == nil && len(found.Kvs) > 0 {
			now = found.Header.Revision
		}
		return err
	})
	if err != nil || now == 0 {
		return err
	}
	events := session.Client().Watch(watching, key, clientv3.WithRev(now+1), clientv3.WithFilterPut())
	select {
	case _, open := <-events:
		if !open {
			// It tells why by the next try.
			time.Sleep(firstRetry)
		}
		return ctx.Err()
	case <-session.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leased returns the lease on which the locks of this process are.
func (c *cluster) leased(ctx context.Context) (*concurrency.Session, error) {
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	if session != nil {
		select {
		case <-session.Done():
		default:
			return session, nil
		}
	}
	err := c.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		granted, err := client.Grant(ctx, int64(time.Duration(c.settings.LockTTL)/time.Second))
		if err != nil {
			return err
		}
		session, err = concurrency.NewSession(client, concurrency.WithLease(granted.ID))
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.session; other != nil && other != session {
		select {
		case <-other.Done():
		default:
			// Another goroutine was quicker; this lease ends by itself.
			session.Orphan()
			return other, nil
		}
	}
	c.session = session
	return session, nil
}
