package etcdstorage

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/etcdtest"
)

// expectBlocked fails where the lock can be had within the time.
func expectBlocked(t *testing.T, s *Storage, name string, during time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	if err := s.Lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the lock was not held: %v", err)
	}
}

// TestOneHolder: of many goroutines in three processes one has the lock at a time, and all come to it.
func TestOneHolder(t *testing.T) {
	etcd := etcdtest.Start(t)
	var holders, turns atomic.Int32
	var group sync.WaitGroup
	for range 3 {
		s := open(t, etcd, nil)
		for range 4 {
			group.Go(func() {
				for range 5 {
					if err := s.Lock(t.Context(), "issue_cert_*.a.test"); err != nil {
						t.Error(err)
						return
					}
					if holders.Add(1) != 1 {
						t.Error("two hold the lock")
					}
					turns.Add(1)
					holders.Add(-1)
					if err := s.Unlock(t.Context(), "issue_cert_*.a.test"); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	group.Wait()
	if turns.Load() != 60 {
		t.Errorf("there were %d turns, not 60", turns.Load())
	}
}

func TestLocksAreApart(t *testing.T) {
	etcd := etcdtest.Start(t)
	one, other := open(t, etcd, nil), open(t, etcd, nil)
	must(t, one.Lock(t.Context(), "a"))
	must(t, other.Lock(t.Context(), "a/b"))
	must(t, other.Lock(t.Context(), "b"))
	for _, s := range []*Storage{one, other} {
		if held, err := s.TryLock(t.Context(), "a"); held || err != nil {
			t.Errorf("a lock that is held was taken: %v, %v", held, err)
		}
	}
	expectBlocked(t, other, "a", 100*time.Millisecond)
	expectBlocked(t, one, "a", 100*time.Millisecond)
	must(t, one.Unlock(t.Context(), "a"))
	if held, err := other.TryLock(t.Context(), "a"); !held || err != nil {
		t.Errorf("a free lock was not taken: %v, %v", held, err)
	}
	if err := one.Unlock(t.Context(), "a"); err == nil {
		t.Error("a lock of another process was given back")
	}
	expectBlocked(t, one, "a", 100*time.Millisecond)
	if got := len(one.cluster.locks.turns); got != 0 {
		t.Errorf("%d locks are remembered of which nobody wants one", got)
	}
}

// TestAHolderThatDies keeps others waiting for as long as its lease.
func TestAHolderThatDies(t *testing.T) {
	etcd := etcdtest.Start(t)
	dead, living := open(t, etcd, nil), open(t, etcd, nil)
	must(t, dead.Lock(t.Context(), "a"))
	expectBlocked(t, living, "a", time.Second)
	// Nobody renews its lease any more, and nobody ends it.
	dead.cluster.session.Orphan()
	begun := time.Now()
	must(t, living.Lock(t.Context(), "a"))
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("its lock was had after %v", took)
	}
}

// TestALostLockWritesNothing: who was away for longer than its lease changes nothing of what the next holder wrote.
func TestALostLockWritesNothing(t *testing.T) {
	const lock, key = "issue_cert_*.A.test", "certificates/ca/wildcard_.a.test/wildcard_.a.test.key"
	etcd := etcdtest.Start(t)
	late, next := open(t, etcd, nil), open(t, etcd, nil)
	must(t, late.Lock(t.Context(), lock))
	must(t, late.Store(t.Context(), key, []byte("late")))
	must(t, late.Ordering(t.Context(), "*.A.test"))
	late.cluster.session.Orphan()
	for _, known := range []bool{true, false} {
		if !known {
			// As if its own clock had been stopped: it believes that it has the lock.
			late.cluster.locks.of(lock).session = next.cluster.session
		}
		if known {
			must(t, next.Lock(t.Context(), lock))
			must(t, next.Store(t.Context(), key, []byte("next")))
		}
		if err := late.Ordering(t.Context(), "*.A.test"); !errors.Is(err, ErrLockLost) {
			t.Errorf("ordering under a lost lock: %v", err)
		}
		if err := late.Store(t.Context(), key, []byte("late")); !errors.Is(err, ErrLockLost) {
			t.Errorf("storing under a lost lock: %v", err)
		}
		// certmagic does so where it could not store all of a certificate.
		if err := late.Delete(t.Context(), key); !errors.Is(err, ErrLockLost) {
			t.Errorf("deleting under a lost lock: %v", err)
		}
	}
	must(t, late.Store(t.Context(), "certificates/ca/b.test/b.test.key", []byte("late")))
	value, err := late.Load(t.Context(), key)
	if err != nil || string(value) != "next" {
		t.Errorf("it is %q, %v", value, err)
	}
	must(t, late.Unlock(t.Context(), lock))
	expectBlocked(t, late, lock, 100*time.Millisecond)
}

// TestRenewingALostLock waits for it, so that what is tried again is done by one.
func TestRenewingALostLock(t *testing.T) {
	etcd := etcdtest.Start(t)
	s, other := open(t, etcd, nil), open(t, etcd, nil)
	must(t, s.Lock(t.Context(), "issue_cert_a.test"))
	must(t, s.RenewLockLease(t.Context(), "issue_cert_a.test", time.Hour))
	s.cluster.session.Orphan()
	must(t, other.Lock(t.Context(), "issue_cert_a.test"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.RenewLockLease(ctx, "issue_cert_a.test", time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that another one has was renewed: %v", err)
	}
	must(t, other.Unlock(t.Context(), "issue_cert_a.test"))
	must(t, s.RenewLockLease(t.Context(), "issue_cert_a.test", time.Hour))
	must(t, s.Store(t.Context(), "certificates/ca/a.test/a.test.key", nil))
	expectBlocked(t, other, "issue_cert_a.test", 100*time.Millisecond)
}

// TestUnlockingWhileEtcdIsAway: the lock is free once etcd is back, although its process lives on.
func TestUnlockingWhileEtcdIsAway(t *testing.T) {
	etcd := etcdtest.Start(t)
	s := open(t, etcd, func(s *Storage) { s.LockTTL = s.LockTTL * 30 })
	other := open(t, etcd, nil)
	must(t, s.Lock(t.Context(), "a"))
	etcd.Pause()
	must(t, s.Unlock(t.Context(), "a"))
	etcd.Resume()
	must(t, other.Lock(t.Context(), "a"))
	must(t, other.Unlock(t.Context(), "a"))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := s.Lock(ctx, "a")
		cancel()
		if err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
