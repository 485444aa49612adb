package etcdstorage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func init() { caddy.RegisterModule(Counts{}) }

const (
	countsFolder = "caddy/counts/"
	// stateFolder is where caddy-ratelimit keeps the state of each instance.
	stateFolder = "rate_limit/instances"
	stateSuffix = ".rlstate"
	// shortestGap is the least time between two states of this process.
	shortestGap = 90 * time.Millisecond
	// octetsPerSecond bounds what a process writes: etcd keeps each state until it is compacted.
	octetsPerSecond = 20_000
	// mostKeys are told of in a state: those that have counted most.
	mostKeys = 500
)

// Counts is the module `caddy.storage.gatewright_counts`: what the distributed mode of caddy-ratelimit keeps, so that the counts of all
// gateways are one. Each of its handlers writes the state of the whole process, and reads that of all others; here these are written
// once for all handlers, kept in memory as others tell of them, and read from there. With another storage than gatewright_etcd a
// gateway counts alone.
type Counts struct {
	// Zones are those that the handler asks for.
	Zones []string `json:"zones"`

	cluster *cluster
}

// limits is caddy-ratelimit's state of an instance (rlState), as gob has it.
type limits struct {
	Timestamp time.Time
	Zones     map[string]map[string]limitCount
}

type limitCount struct {
	Count       int
	OldestEvent time.Time
}

// counts are those of a process in one etcd.
type counts struct {
	begin sync.Once
	mu    sync.Mutex
	// zones are how many handlers ask for each.
	zones map[string]int
	// others are the states of other processes, by their keys, as of this machine's clock.
	others map[string]limits
	// own is the key of this process, "" before it wrote; next is when it may write again, and last what it wrote, nil for no counts.
	own  string
	next time.Time
	last []byte
}

// CaddyModule returns the module's information.
func (Counts) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.gatewright_counts", New: func() caddy.Module { return new(Counts) }}
}

// Provision takes part in the counting of the configuration's storage.
func (c *Counts) Provision(ctx caddy.Context) error {
	if storage, ok := ctx.Storage().(*Storage); ok {
		c.cluster = storage.cluster
		c.cluster.counts.ask(c.Zones, 1)
		c.cluster.counts.begin.Do(func() { go c.cluster.watchCounts() })
	}
	return nil
}

// Cleanup ends that.
func (c *Counts) Cleanup() error {
	if c.cluster != nil {
		c.cluster.counts.ask(c.Zones, -1)
	}
	return nil
}

// CertMagicStorage returns what caddy-ratelimit asks for; nothing else is stored here.
func (c *Counts) CertMagicStorage() (certmagic.Storage, error) { return c, nil }

func (c *counts) ask(zones []string, more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, zone := range zones {
		if c.zones[zone] += more; c.zones[zone] == 0 {
			delete(c.zones, zone)
		}
	}
}

// List names the states of other processes.
func (c *Counts) List(context.Context, string, bool) (keys []string, err error) {
	if c.cluster == nil {
		return nil, nil
	}
	shared := c.cluster.counts
	shared.mu.Lock()
	defer shared.mu.Unlock()
	for name := range shared.others {
		keys = append(keys, stateFolder+"/"+name+stateSuffix)
	}
	return keys, nil
}

// Load is the state of another process, of the zones that were asked for.
func (c *Counts) Load(_ context.Context, key string) ([]byte, error) {
	if c.cluster == nil {
		return nil, fs.ErrNotExist
	}
	shared := c.cluster.counts
	shared.mu.Lock()
	defer shared.mu.Unlock()
	state, known := shared.others[strings.TrimSuffix(strings.TrimPrefix(key, stateFolder+"/"), stateSuffix)]
	if !known {
		return nil, fs.ErrNotExist
	}
	asked := limits{Timestamp: state.Timestamp, Zones: map[string]map[string]limitCount{}}
	for _, zone := range c.Zones {
		asked.Zones[zone] = state.Zones[zone]
	}
	var text bytes.Buffer
	err := gob.NewEncoder(&text).Encode(asked)
	return text.Bytes(), err
}

// Store has the others told of this process's state, unless that was done a moment ago. That etcd is away is no error: the counts
// are then those of this gateway.
func (c *Counts) Store(ctx context.Context, _ string, text []byte) error {
	if c.cluster == nil {
		return nil
	}
	var state limits
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&state); err != nil {
		return err
	}
	written := c.cluster.counts.due(state)
	if written == nil {
		return nil
	}
	err := c.cluster.tellCounts(ctx, written)
	if away := new(AwayError); errors.As(err, &away) || ctx.Err() != nil {
		return nil
	}
	return err
}

// due is what is to be written of a state; nil for nothing.
func (c *counts) due(state limits) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.next) {
		return nil
	}
	told := limits{Timestamp: state.Timestamp, Zones: map[string]map[string]limitCount{}}
	for _, zone := range slices.Sorted(maps.Keys(c.zones)) {
		if keys := busiest(state.Zones[zone]); len(keys) > 0 {
			told.Zones[zone] = keys
		}
	}
	if len(told.Zones) == 0 && c.last == nil {
		return nil
	}
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(told); err != nil {
		return nil
	}
	c.last = text.Bytes()
	if len(told.Zones) == 0 {
		c.last = nil
	}
	c.next = time.Now().Add(max(shortestGap, time.Duration(text.Len())*time.Second/octetsPerSecond))
	return text.Bytes()
}

// busiest are the keys that have counted most, and none that has counted nothing.
func busiest(of map[string]limitCount) map[string]limitCount {
	keys := make([]string, 0, len(of))
	for key, one := range of {
		if one.Count > 0 {
			keys = append(keys, key)
		}
	}
	if len(keys) > mostKeys {
		slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(of[b].Count, of[a].Count) })
		keys = keys[:mostKeys]
	}
	found := make(map[string]limitCount, len(keys))
	for _, key := range keys {
		found[key] = of[key]
	}
	return found
}

// tellCounts writes this process's state on its lease, so that it goes with the process.
func (c *cluster) tellCounts(ctx context.Context, text []byte) error {
	session, err := c.leased(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x", session.Lease())
	c.counts.mu.Lock()
	c.counts.own = name
	delete(c.counts.others, name)
	c.counts.mu.Unlock()
	sealed, err := c.keys.seal(countsFolder+name, text)
	if err != nil {
		return err
	}
	return c.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Put(ctx, c.settings.Prefix+countsFolder+name, string(sealed), clientv3.WithLease(session.Lease()))
		return err
	})
}

// watchCounts takes note of what others tell, until the cluster ends.
func (c *cluster) watchCounts() {
	for c.ctx.Err() == nil {
		if client, err := c.connect(c.ctx); err == nil {
			c.followCounts(client)
		}
		select {
		case <-time.After(probeInterval):
		case <-c.ctx.Done():
		}
	}
}

func (c *cluster) followCounts(client *clientv3.Client) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(c.ctx))
	defer cancel()
	top := c.settings.Prefix + countsFolder
	for answer := range client.Watch(ctx, top, clientv3.WithPrefix()) {
		if answer.Err() != nil {
			return
		}
		for _, event := range answer.Events {
			name := strings.TrimPrefix(string(event.Kv.Key), top)
			var sealed []byte
			if event.Type == clientv3.EventTypePut {
				sealed = event.Kv.Value
			}
			if err := c.toldCounts(name, sealed); err != nil {
				c.log.Warn("counts of another gateway cannot be read", zap.Error(err))
			}
		}
	}
}

// toldCounts keeps another process's state by this machine's clock, since clocks differ by more than a window lasts.
func (c *cluster) toldCounts(name string, sealed []byte) error {
	now := time.Now()
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	if sealed == nil {
		delete(c.counts.others, name)
		return nil
	}
	if name == c.counts.own {
		return nil
	}
	text, err := c.keys.open(countsFolder+name, sealed)
	if err != nil {
		return err
	}
	var state limits
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&state); err != nil {
		return err
	}
	ahead := now.Sub(state.Timestamp)
	for _, keys := range state.Zones {
		for key, one := range keys {
			one.OldestEvent = one.OldestEvent.Add(ahead)
			keys[key] = one
		}
	}
	state.Timestamp = now
	c.counts.others[name] = state
	return nil
}

var errCountsOnly = errors.New("only the counts of rate limits are kept here")

// Delete does nothing: states go with their processes.
func (c *Counts) Delete(context.Context, string) error { return nil }

// Exists is false.
func (c *Counts) Exists(context.Context, string) bool { return false }

// Stat finds nothing.
func (c *Counts) Stat(context.Context, string) (certmagic.KeyInfo, error) {
	return certmagic.KeyInfo{}, fs.ErrNotExist
}

// Lock is refused.
func (c *Counts) Lock(context.Context, string) error { return errCountsOnly }

// Unlock is refused.
func (c *Counts) Unlock(context.Context, string) error { return errCountsOnly }

// Interface guards.
var (
	_ caddy.Provisioner      = (*Counts)(nil)
	_ caddy.CleanerUpper     = (*Counts)(nil)
	_ caddy.StorageConverter = (*Counts)(nil)
	_ certmagic.Storage      = (*Counts)(nil)
)
