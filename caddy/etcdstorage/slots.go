package etcdstorage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const slotsFolder = "caddy/slots/"

// Take waits until fewer than `most` have been taken under the name within the window, by all who share the storage, and takes
// one. Each is a key on a lease of its own, which etcd ends by its own clock. Fewer slots than before leave those that are taken.
// The window is rounded up to seconds.
func (s *Storage) Take(ctx context.Context, name string, most int, window time.Duration) error {
	folder := s.Prefix + slotsFolder + url.PathEscape(name) + "/"
	for {
		taken, wait, err := s.takeOne(ctx, folder, most, window)
		if err != nil {
			return fmt.Errorf("waiting for a place of %s: %w", name, err)
		}
		if taken {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takeOne takes a slot, or says how long it is worth to wait.
func (s *Storage) takeOne(ctx context.Context, folder string, most int, window time.Duration) (taken bool, wait time.Duration, err error) {
	err = s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		found, err := client.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		if len(found.Kvs) >= most {
			// They end one after another; each who waits looks at another moment.
			wait = max(firstRetry, window/time.Duration(4*most)) + rand.N(lastRetry/4)
			return nil
		}
		free := freeSlot(found, folder, most)
		seconds := int64((window + time.Second - 1) / time.Second)
		lease, err := client.Grant(ctx, seconds)
		if err != nil {
			return err
		}
		key := folder + strconv.Itoa(free)
		put, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, s.Instance, clientv3.WithLease(lease.ID))).
			Commit()
		if err != nil {
			return err
		}
		if taken = put.Succeeded; !taken {
			_, _ = client.Revoke(ctx, lease.ID)
			wait = rand.N(firstRetry)
		}
		return nil
	})
	return taken, wait, err
}

// freeSlot is one of those that nobody has, any of them, so that those who want one at once do not all want the same.
func freeSlot(found *clientv3.GetResponse, folder string, most int) int {
	used := make(map[string]bool, len(found.Kvs))
	for _, one := range found.Kvs {
		used[string(one.Key)] = true
	}
	at := rand.IntN(most)
	for used[folder+strconv.Itoa(at)] {
		at = (at + 1) % most
	}
	return at
}
