package etcdstorage

import (
	"context"
	"errors"
	"path"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// paidTime is how long a certificate that was ordered waits for etcd.
const paidTime = lingerTime

// saw takes note of the last change that the holder of a lock has made of what it guards.
func (l *locks) saw(name string, revision int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held := l.holds[name]; held != nil {
		held.seen = max(held.seen, revision)
	}
}

// insist writes a part of a certificate after all. It was ordered, perhaps paid for, and is nowhere else: certmagic forgets it
// with the first error, and orders another one. So it waits for etcd to be back, whether or not its name is wanted any longer,
// and for a lock that was lost meanwhile. It returns ErrLockLost where another process has stored its own.
func (s *Storage) insist(ctx context.Context, name, key string, sealed []byte, cause error) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), paidTime)
	defer cancel()
	s.cluster.log.Warn("a certificate waits to be stored", zap.String("key", key), zap.Error(cause))
	for {
		away := new(AwayError)
		if err := cause; !errors.As(err, &away) && !errors.Is(err, ErrLockLost) && !errors.Is(err, context.Canceled) {
			return 0, cause
		}
		revision, err := s.retake(ctx, name, key, sealed)
		if err == nil && revision == 0 {
			revision, err = s.write(ctx, key, clientv3.OpPut(s.at(key), string(sealed)))
		}
		if err == nil {
			return revision, nil
		}
		if errors.Is(err, errOvertaken) {
			return 0, ErrLockLost
		}
		cause = err
		select {
		case <-time.After(probeInterval):
		case <-ctx.Done():
			return 0, cause
		case <-s.cluster.ctx.Done():
			return 0, cause
		}
	}
}

// errOvertaken: another process has stored a certificate of the name.
var errOvertaken = errors.New("another certificate was stored")

// retake has the lock be held once more, with what it guards as its holder knows it. The revision is that of a write whose answer
// was lost: what is wanted is there already.
func (s *Storage) retake(ctx context.Context, name, key string, sealed []byte) (revision int64, err error) {
	locks := s.cluster.locks
	held := locks.of(name)
	if revision, err = s.unseen(ctx, key, sealed, held); err != nil || revision > 0 || !held.isLost() && s.stillHeld(ctx, held) == nil {
		return revision, err
	}
	again, err := s.acquire(ctx, name, true)
	if err != nil {
		return 0, err
	}
	again.seen = held.seen
	locks.set(name, again)
	return s.unseen(ctx, key, sealed, again)
}

// unseen looks for changes beside a key that its lock's holder does not know of: errOvertaken. Its own write is one where the
// answer was lost.
func (s *Storage) unseen(ctx context.Context, key string, sealed []byte, held *hold) (revision int64, err error) {
	err = s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		revision = 0
		found, err := client.Get(ctx, s.at(path.Dir(key))+"/", clientv3.WithPrefix(), clientv3.WithMinModRev(held.seen+1))
		if err != nil {
			return err
		}
		for _, one := range found.Kvs {
			if string(one.Key) != s.at(key) || string(one.Value) != string(sealed) {
				return errOvertaken
			}
			revision = one.ModRevision
		}
		return nil
	})
	return revision, err
}

func (s *Storage) stillHeld(ctx context.Context, held *hold) error {
	return s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		looked, err := client.Txn(ctx).If(held.isHeld()).Commit()
		if err == nil && !looked.Succeeded {
			return ErrLockLost
		}
		return err
	})
}
