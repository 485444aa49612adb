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
		found, err := client.Get(ctx, folder, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return err
		}
		if found.Count >= int64(most) {
			// They end one after another; each who waits looks at another moment.
			wait = max(firstRetry, window/time.Duration(4*most)) + rand.N(lastRetry/4)
			return nil
		}
		lease, err := client.Grant(ctx, int64((window+time.Second-1)/time.Second))
		if err != nil {
			return err
		}
		// Any of them: some are free, and those who want one at once do not all want the same.
		for range most {
			key := folder + strconv.Itoa(rand.IntN(most))
			put, err := client.Txn(ctx).
				If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
				Then(clientv3.OpPut(key, s.Instance, clientv3.WithLease(lease.ID))).
				Commit()
			if err != nil {
				return err
			}
			if put.Succeeded {
				taken = true
				return nil
			}
		}
		_, err = client.Revoke(ctx, lease.ID)
		wait = firstRetry
		return err
	})
	return taken, wait, err
}
