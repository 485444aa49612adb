package etcdstorage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// stampSize is what stands before a value: when it was written, as Unix milliseconds.
const stampSize = 8

// pageSize is how many keys are asked for at once.
const pageSize = 5000

// name is a key below the prefix; it is what a value is sealed for.
func (s *Storage) name(key string) string { return dataFolder + strings.Trim(key, "/") }

func (s *Storage) at(key string) string { return s.Prefix + s.name(key) }

func (s *Storage) store(ctx context.Context, key string, value []byte) error {
	clear := make([]byte, stampSize, stampSize+len(value))
	binary.BigEndian.PutUint64(clear, uint64(time.Now().UnixMilli()))
	sealed, err := s.cluster.keys.seal(s.name(key), append(clear, value...))
	if err != nil {
		return err
	}
	revision, err := s.write(ctx, key, clientv3.OpPut(s.at(key), string(sealed)))
	if name, held := s.cluster.locks.guarding(key); held != nil {
		if err != nil {
			revision, err = s.insist(ctx, name, key, sealed, err)
		}
		s.cluster.locks.saw(name, revision)
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	s.copy(key, sealed, revision)
	return nil
}

// Delete deletes the key and all below it. A key that does not exist is no error.
func (s *Storage) Delete(ctx context.Context, key string) error {
	below := s.at(key) + "/"
	_, err := s.write(ctx, key,
		clientv3.OpDelete(s.at(key)),
		clientv3.OpDelete(below, clientv3.WithRange(clientv3.GetPrefixRangeEnd(below))),
	)
	if err != nil {
		return fmt.Errorf("deleting %s: %w", key, err)
	}
	s.cluster.copies.forget(key)
	return nil
}

// write happens under the lock that guards the key alone: who has lost it would overwrite what its next holder wrote.
func (s *Storage) write(ctx context.Context, key string, changes ...clientv3.Op) (revision int64, err error) {
	var conditions []clientv3.Cmp
	if _, held := s.cluster.locks.guarding(key); held != nil {
		if held.isLost() {
			return 0, ErrLockLost
		}
		conditions = append(conditions, held.isHeld())
	}
	err = s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		done, err := client.Txn(ctx).If(conditions...).Then(changes...).Commit()
		switch {
		case err != nil:
			return err
		case !done.Succeeded:
			return ErrLockLost
		}
		revision = done.Header.Revision
		return nil
	})
	return revision, err
}

func (s *Storage) load(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, tokensFolder) {
		if sealed, missing := s.cluster.changes.token(key); missing != nil {
			return nil, missing
		} else if sealed != nil {
			return s.open(key, sealed)
		}
	}
	var sealed []byte
	var revision int64
	err := s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		found, err := client.Get(ctx, s.at(key))
		if err == nil && len(found.Kvs) == 1 {
			sealed, revision = found.Kvs[0].Value, found.Kvs[0].ModRevision
		}
		return err
	})
	if away := new(AwayError); errors.As(err, &away) {
		held, missing := s.cluster.copies.read(key)
		if missing != nil {
			return nil, fmt.Errorf("loading %s: %w", key, err)
		}
		s.cluster.behind.Store(true)
		return s.open(key, held)
	}
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", key, err)
	}
	if sealed == nil {
		s.cluster.copies.forget(key)
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	clear, err := s.open(key, sealed)
	if err == nil {
		s.copy(key, sealed, revision)
	}
	return clear, err
}

func (s *Storage) open(key string, sealed []byte) ([]byte, error) {
	clear, err := s.cluster.keys.open(s.name(key), sealed)
	if err == nil && len(clear) < stampSize {
		return nil, fmt.Errorf("%s: %w", key, errNotSealed)
	}
	return clear, err
}

func (s *Storage) copy(key string, sealed []byte, revision int64) {
	if err := s.cluster.copies.keep(key, sealed, revision); err != nil {
		s.cluster.log.Warn("no local copy was written", zap.String("key", key), zap.Error(err))
	}
}

// Exists says whether there is the key, or one below it. While etcd is away it is what there are copies of.
func (s *Storage) Exists(ctx context.Context, key string) bool {
	var found bool
	below := s.at(key) + "/"
	err := s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		done, err := client.Txn(ctx).Then(
			clientv3.OpGet(s.at(key), clientv3.WithCountOnly()),
			clientv3.OpGet(below, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly()),
		).Commit()
		if err == nil {
			found = done.Responses[0].GetResponseRange().Count+int64(len(done.Responses[1].GetResponseRange().Kvs)) > 0
		}
		return err
	})
	if away := new(AwayError); errors.As(err, &away) {
		_, missing := s.cluster.copies.read(key)
		return missing == nil
	}
	return err == nil && found
}

// Stat tells of a key, or of a folder of keys.
func (s *Storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	clear, err := s.load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{
			Key: key, Modified: time.UnixMilli(int64(binary.BigEndian.Uint64(clear))), Size: int64(len(clear) - stampSize), IsTerminal: true,
		}, nil
	}
	if errors.Is(err, fs.ErrNotExist) && s.Exists(ctx, key) {
		return certmagic.KeyInfo{Key: key}, nil
	}
	return certmagic.KeyInfo{}, err
}

// List returns the keys below a folder: all of them with the folders between, or those right in it. Both are in order.
func (s *Storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	folder = strings.Trim(folder, "/")
	top := s.Prefix + dataFolder
	if folder != "" {
		top += folder + "/"
	}
	var keys []string
	seen := make(map[string]bool)
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, path.Join(folder, key))
		}
	}
	err := s.each(ctx, top, func(below string) {
		parts := strings.Split(below, "/")
		if !recursive {
			add(parts[0])
			return
		}
		for at := range parts {
			add(strings.Join(parts[:at+1], "/"))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	if len(keys) == 0 && folder != "" && !s.Exists(ctx, folder) {
		return nil, fmt.Errorf("%s: %w", folder, fs.ErrNotExist)
	}
	slices.Sort(keys)
	return keys, nil
}

// each tells of all keys that begin so, as they were at one revision.
func (s *Storage) each(ctx context.Context, top string, tell func(below string)) error {
	from, end, revision := top, clientv3.GetPrefixRangeEnd(top), int64(0)
	for {
		var page *clientv3.GetResponse
		err := s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) (err error) {
			page, err = client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithKeysOnly(),
				clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
			return err
		})
		if err != nil {
			return err
		}
		revision = page.Header.Revision
		for _, found := range page.Kvs {
			tell(strings.TrimPrefix(string(found.Key), top))
		}
		if !page.More || len(page.Kvs) == 0 {
			return nil
		}
		from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
	}
}
