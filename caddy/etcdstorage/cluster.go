package etcdstorage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// firstRetry is the wait before something is tried again within its time; each further one doubles it.
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
	// attempts is how many members are asked at the least within the time that one thing may take: one that hangs gets its part of
	// it, and the next one is asked.
	attempts = 3
	// probeInterval is how often an etcd that is away is asked whether it is back.
	probeInterval = time.Second
)

// AwayError says that etcd does not answer. While it is away nothing waits for it: what is wanted fails at once with this
// error, or comes from the local copy.
type AwayError struct {
	Since time.Time
	Cause error
}

func (e *AwayError) Error() string {
	return fmt.Sprintf("etcd does not answer since %s: %v", e.Since.UTC().Format(time.RFC3339), e.Cause)
}

func (e *AwayError) Unwrap() error { return e.Cause }

// cluster is an etcd as the process knows it: all storages with equal settings share one, so that locks and the connection
// outlive the configuration that asked for them.
type cluster struct {
	settings settings
	log      *zap.Logger

	keys    *keySource
	copies  *copies
	locks   *locks
	changes *changes
	counts  *counts
	// authorities are the locks that are held for Caddy's own authorities, with the timers that give them back.
	authorities sync.Map
	// behind: what this process has may be older than what etcd told of first.
	behind atomic.Bool
	// connecting is held by whoever makes the client, which asks etcd for a token.
	connecting chan struct{}

	mu sync.Mutex
	// password is that of the newest configuration; settings has the one of the first.
	password string
	client   *clientv3.Client
	session  *concurrency.Session
	// away is why and since when etcd does not answer; nil while it does.
	away *AwayError

	ctx context.Context
	end context.CancelFunc
}

// Destruct ends the connection; caddy.UsagePool calls it when no configuration uses it any more.
func (c *cluster) Destruct() error {
	c.end()
	c.mu.Lock()
	client, session := c.client, c.session
	c.client, c.session = nil, nil
	c.mu.Unlock()
	if session != nil {
		session.Orphan()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, _ = client.Revoke(ctx, session.Lease())
		cancel()
	}
	if client != nil {
		return client.Close()
	}
	return nil
}

func newCluster(s settings) (*cluster, error) {
	keys, err := newKeySource(s.StoreKeys, s.StoreKeysFile)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	c := &cluster{
		settings: s, log: caddy.Log().Named("caddy.storage.gatewright_etcd"),
		keys: keys, copies: newCopies(s.Cache), locks: &locks{turns: make(map[string]*turn), holds: make(map[string]*hold)},
		changes: newChanges(), counts: &counts{zones: make(map[string]int), others: make(map[string]limits)},
		connecting: make(chan struct{}, 1), ctx: ctx, end: end, password: s.Password,
	}
	go c.watch()
	return c, nil
}

// do has something done that may be done twice, and tries again within its time while etcd has no leader or a member is
// gone. Then etcd counts as away, until it answers again.
func (c *cluster) do(ctx context.Context, what func(context.Context, *clientv3.Client) error) error {
	if away := c.isAway(); away != nil {
		return away
	}
	timeout := time.Duration(c.settings.Timeout)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		attempt, end := context.WithTimeout(limited, timeout/attempts)
		err := c.once(attempt, what)
		end()
		if err == nil || !isTransient(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-time.After(pause):
			continue
		case <-limited.Done():
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return c.lost(err)
	}
}

func (c *cluster) once(ctx context.Context, what func(context.Context, *clientv3.Client) error) error {
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	return what(ctx, client)
}

// connect returns the client. Making it needs etcd only where there is a password.
func (c *cluster) connect(ctx context.Context) (*clientv3.Client, error) {
	select {
	case c.connecting <- struct{}{}:
		defer func() { <-c.connecting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	client, password := c.client, c.password
	c.mu.Unlock()
	if client != nil {
		return client, nil
	}
	security, err := c.settings.tlsConfig()
	if err != nil {
		return nil, err
	}
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	client, err = clientv3.New(clientv3.Config{
		Endpoints: c.settings.Endpoints, Username: c.settings.Username, Password: password, TLS: security,
		Context: c.ctx, DialTimeout: time.Duration(c.settings.Timeout),
		// What it would tell of are its own tries; what comes of them is told by its errors.
		Logger: zap.NewNop(),
		// A member that vanished is noticed although it closed no connection.
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.password != password {
		// It was replaced meanwhile: this one is for those who wait, and the next one connects again.
		c.retire(client, nil)
		return client, nil
	}
	c.client = client
	return client, nil
}

// logIn has etcd be asked with another password from now on. Locks that are held stay on the connection of before, which ends
// when they are long given back.
func (c *cluster) logIn(password string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.password == password {
		return
	}
	c.password = password
	c.retire(c.client, c.session)
	c.client, c.session = nil, nil
}

// retire ends a connection in a while, or with the cluster.
func (c *cluster) retire(client *clientv3.Client, session *concurrency.Session) {
	if client == nil {
		return
	}
	go func() {
		select {
		case <-time.After(lingerTime):
		case <-c.ctx.Done():
		}
		if session != nil {
			session.Orphan()
		}
		_ = client.Close()
	}()
}

func (c *cluster) isAway() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away == nil {
		return nil
	}
	return c.away
}

// lost takes note that etcd does not answer, and has it asked until it does.
func (c *cluster) lost(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away == nil {
		c.away = &AwayError{Since: time.Now(), Cause: cause}
		c.log.Error("etcd does not answer; what is in memory and in the local copy is served on", zap.Error(cause))
		go c.probe(c.away.Since)
	}
	return c.away
}

func (c *cluster) probe(since time.Time) {
	for {
		select {
		case <-time.After(probeInterval):
		case <-c.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(c.ctx, time.Duration(c.settings.Timeout))
		err := c.once(ctx, func(ctx context.Context, client *clientv3.Client) error {
			_, err := client.Get(ctx, c.settings.Prefix+dataFolder, clientv3.WithKeysOnly())
			return err
		})
		cancel()
		if err == nil || !isTransient(err) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = nil
	c.log.Info("etcd answers again", zap.Duration("was_away", time.Since(since)))
}

// isTransient says whether an error may be gone in a moment, as opposed to one that says what was wrong with the question.
func isTransient(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, clientv3.ErrNoAvailableEndpoints) {
		return true
	}
	var tlsFailure *tls.CertificateVerificationError
	if errors.As(err, &tlsFailure) {
		return true
	}
	var told rpctypes.EtcdError
	if errors.As(err, &told) {
		return told.Code() == codes.Unavailable || told.Code() == codes.DeadlineExceeded
	}
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}
