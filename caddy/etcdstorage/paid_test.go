package etcdstorage

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/etcdtest"
)

const (
	paidLock = "issue_cert_a.test"
	paidKey  = "certificates/ca/a.test/a.test.key"
)

// TestAPaidCertificateWaitsForEtcd, for longer than its lock lives and its order is wanted, and is stored when etcd is back.
func TestAPaidCertificateWaitsForEtcd(t *testing.T) {
	etcd := etcdtest.Start(t)
	s := open(t, etcd, nil)
	must(t, s.Lock(t.Context(), paidLock))
	etcd.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	stored := make(chan error, 1)
	go func() { stored <- s.Store(ctx, paidKey, []byte("paid")) }()
	held := s.cluster.locks.of(paidLock)
	select {
	case err := <-stored:
		t.Fatalf("it did not wait: %v", err)
	case <-held.session.Done():
	}
	cancel()
	etcd.Resume()
	select {
	case err := <-stored:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("it was not stored")
	}
	must(t, s.Store(t.Context(), "certificates/ca/a.test/a.test.crt", []byte("paid")))
	if value, err := s.Load(t.Context(), paidKey); err != nil || string(value) != "paid" {
		t.Errorf("it is %q, %v", value, err)
	}
	other := open(t, etcd, nil)
	expectBlocked(t, other, paidLock, 100*time.Millisecond)
	must(t, s.Unlock(t.Context(), paidLock))
	must(t, other.Lock(t.Context(), paidLock))
}

// TestAPaidCertificateWaitsForTheLock that it has lost, and is stored where its next holder stored none.
func TestAPaidCertificateWaitsForTheLock(t *testing.T) {
	for _, theirs := range []bool{false, true} {
		etcd := etcdtest.Start(t)
		late, next := open(t, etcd, nil), open(t, etcd, nil)
		must(t, late.Lock(t.Context(), paidLock))
		late.cluster.session.Orphan()
		must(t, next.Lock(t.Context(), paidLock))
		stored := make(chan error, 1)
		go func() { stored <- late.Store(t.Context(), paidKey, []byte("late")) }()
		select {
		case err := <-stored:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(500 * time.Millisecond):
		}
		want := "late"
		if theirs {
			want = "next"
			must(t, next.Store(t.Context(), paidKey, []byte(want)))
		}
		must(t, next.Unlock(t.Context(), paidLock))
		if err := <-stored; errors.Is(err, ErrLockLost) != theirs || err != nil && !theirs {
			t.Errorf("theirs %v: %v", theirs, err)
		}
		if value, err := next.Load(t.Context(), paidKey); err != nil || string(value) != want {
			t.Errorf("it is %q and not %q, %v", value, want, err)
		}
	}
}

// TestAWriteWhoseAnswerWasLost is no other's certificate.
func TestAWriteWhoseAnswerWasLost(t *testing.T) {
	etcd := etcdtest.Start(t)
	s := open(t, etcd, nil)
	must(t, s.Lock(t.Context(), paidLock))
	must(t, s.Store(t.Context(), paidKey, []byte("paid")))
	held := s.cluster.locks.of(paidLock)
	found, err := s.cluster.client.Get(t.Context(), s.at(paidKey))
	must(t, err)
	written := held.seen
	// As if its answer had not come.
	held.seen = held.revision
	if revision, err := s.unseen(t.Context(), paidKey, found.Kvs[0].Value, held); revision != written || err != nil {
		t.Errorf("it is of revision %d and not %d: %v", revision, written, err)
	}
	if _, err := s.unseen(t.Context(), paidKey, []byte("another"), held); !errors.Is(err, errOvertaken) {
		t.Errorf("another value was taken for it: %v", err)
	}
}
