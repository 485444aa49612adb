package etcdstorage

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/time/rate"
)

// follower is told of keys that changed, by whomever.
type follower struct {
	folder string
	tell   func(key string)
}

// changes tell followers what etcd tells, and keep the tokens of challenges: an authority may meet any of the gateways, and
// anybody may ask for a token.
type changes struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
	tokens    map[string][]byte
	// misses bounds how often etcd is asked for tokens that have not come.
	misses *rate.Limiter
}

// missesPerSecond are the questions for tokens that etcd gets at most: as many as an authority that comes before its token does
// not need, and strangers who ask for tokens that do not exist do not fill etcd's time.
const missesPerSecond = 100

const tokensFolder = "/challenge_tokens/"

func newChanges() *changes {
	return &changes{
		followers: make(map[*follower]struct{}), tokens: make(map[string][]byte),
		misses: rate.NewLimiter(missesPerSecond, missesPerSecond),
	}
}

// Follow tells of each key in a folder that was written or deleted, by this process too, from about now on. The key is "" where
// something may have been missed, or what was read before was a copy. The function must not wait for anything. What is returned ends it.
func (s *Storage) Follow(folder string, tell func(key string)) (end func()) {
	one := &follower{strings.Trim(folder, "/") + "/", tell}
	c := s.cluster.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers[one] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.followers, one)
	}
}

func (c *changes) told(key string, sealed []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case key == "":
		clear(c.tokens)
	case !strings.Contains(key, tokensFolder):
	case sealed == nil:
		delete(c.tokens, key)
	default:
		c.tokens[key] = sealed
	}
	for one := range c.followers {
		if key == "" || strings.HasPrefix(key, one.folder) {
			one.tell(key)
		}
	}
}

// token is one that etcd has told of. missing says that etcd shall not be asked either.
func (c *changes) token(key string) (sealed []byte, missing error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sealed = c.tokens[key]; sealed == nil && !c.misses.Allow() {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return sealed, nil
}

// watch has the changes told until the cluster ends. It goes on where it left off, unless etcd has forgotten what was between.
func (c *cluster) watch() {
	var next int64
	for c.ctx.Err() == nil {
		if client, err := c.connect(c.ctx); err == nil {
			next = c.watchFrom(client, next)
		}
		select {
		case <-time.After(probeInterval):
		case <-c.ctx.Done():
		}
	}
}

func (c *cluster) watchFrom(client *clientv3.Client, next int64) int64 {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(c.ctx))
	defer cancel()
	top := c.settings.Prefix + dataFolder
	options := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithProgressNotify()}
	for answer := range client.Watch(ctx, top, append(options, clientv3.WithRev(next))...) {
		if answer.CompactRevision > 0 {
			c.behind.Store(true)
			return 0
		}
		if answer.Err() != nil {
			return next
		}
		if answer.Created && next == 0 && c.behind.Swap(false) {
			c.changes.told("", nil)
		}
		for _, event := range answer.Events {
			var sealed []byte
			if event.Type == clientv3.EventTypePut {
				sealed = event.Kv.Value
			}
			c.changes.told(strings.TrimPrefix(string(event.Kv.Key), top), sealed)
		}
		next = answer.Header.Revision + 1
	}
	return next
}
