package etcdstorage

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"
)

// Caddy's own authority takes no lock: it makes a root where it finds none, and writes a certificate and then its key. Of
// several Caddys that start at once each would make its own root, and certificate and key could be of different ones. So the
// storage takes the lock for it, from the question for a root that is not there, or from the certificate of an intermediate,
// until that one's key is stored.

// authorityTime bounds how long an authority may take to be made, so that one that fails locks out nobody.
const authorityTime = 10 * time.Second

// authorityFile is the lock of the authority of which a key is a file; "" for none.
func authorityFile(key string) (lock, file string) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "pki" || parts[1] != "authorities" {
		return "", ""
	}
	return "authority_" + parts[2], parts[3]
}

// beforeMissing waits for whoever makes the authority; the caller reads again. Nobody else makes it then, until
// authorityStored or the end of its time.
func (s *Storage) beforeMissing(ctx context.Context, lock string) error {
	if err := s.Lock(ctx, lock); err != nil {
		return err
	}
	s.cluster.authorities.Store(lock, time.AfterFunc(authorityTime, func() { s.authorityStored(lock) }))
	return nil
}

// authorityStored gives the lock back, where it is held.
func (s *Storage) authorityStored(lock string) {
	if timer, held := s.cluster.authorities.LoadAndDelete(lock); held {
		timer.(*time.Timer).Stop()
		_ = s.Unlock(context.Background(), lock)
	}
}

// Load returns the value as etcd has it, or while etcd is away as it was when it was last read or written here.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	clear, err := s.load(ctx, key)
	if lock, file := authorityFile(key); errors.Is(err, fs.ErrNotExist) && file == "root.crt" {
		if err := s.beforeMissing(ctx, lock); err != nil {
			return nil, err
		}
		if clear, err = s.load(ctx, key); err == nil {
			s.authorityStored(lock)
		}
	}
	if err != nil {
		return nil, err
	}
	return clear[stampSize:], nil
}

// Store writes the value, under the lock of its name where this process has that.
func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	lock, file := authorityFile(key)
	if _, held := s.cluster.authorities.Load(lock); file == "intermediate.crt" && !held {
		if err := s.beforeMissing(ctx, lock); err != nil {
			return err
		}
	}
	err := s.store(ctx, key, value)
	if file == "intermediate.key" || err != nil && lock != "" {
		s.authorityStored(lock)
	}
	return err
}
