// Package tickets is the module `tls.stek.gatewright_shared`: the keys of session tickets, which all gateways of a storage have in
// common, so that a client resumes at one what it began at another. A storage that does not answer stops no configuration: then the
// keys are those that are known, or this gateway's own.
package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

func init() { caddy.RegisterModule(Shared{}) }

const (
	folder  = "tickets"
	keysKey = folder + "/keys.json"
	lock    = "tickets"
	// patience bounds how long a configuration waits for the storage.
	patience = 5 * time.Second
	// retryInterval is the wait after the storage has failed.
	retryInterval = 10 * time.Second
)

// Shared gives the keys that the storage has, and has them replaced when it is time.
type Shared struct {
	storage certmagic.Storage
	service *caddytls.SessionTicketService
	log     *zap.Logger
	current keys
}

// keys as they are stored; the first one encrypts.
type keys struct {
	Keys         [][32]byte `json:"keys"`
	NextRotation time.Time  `json:"next_rotation"`
}

// last are those that the process had last, for the next configuration.
var last struct {
	mu   sync.Mutex
	keys keys
}

// follower is a storage that tells of what others store.
type follower interface {
	Follow(folder string, tell func(key string)) (end func())
}

// CaddyModule returns the module's information.
func (Shared) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tls.stek.gatewright_shared", New: func() caddy.Module { return new(Shared) }}
}

// Provision takes the storage of the configuration.
func (s *Shared) Provision(ctx caddy.Context) error {
	s.storage, s.log = ctx.Storage(), ctx.Logger()
	return nil
}

// Initialize returns the keys to begin with.
func (s *Shared) Initialize(service *caddytls.SessionTicketService) ([][32]byte, error) {
	s.service = service
	if err := s.refresh(); err != nil {
		s.log.Warn("the keys of session tickets are not those of the other gateways for now", zap.Error(err))
	}
	if len(s.current.Keys) == 0 {
		own, err := service.RotateSTEKs(nil)
		if err != nil {
			return nil, err
		}
		s.current.Keys = own
	}
	return slices.Clone(s.current.Keys), nil
}

// Next sends the keys whenever they are others, until it is done.
func (s *Shared) Next(done <-chan struct{}) <-chan [][32]byte {
	next := make(chan [][32]byte)
	go s.run(done, next)
	return next
}

func (s *Shared) run(done <-chan struct{}, next chan<- [][32]byte) {
	changed := make(chan struct{}, 1)
	if storage, ok := s.storage.(follower); ok {
		defer storage.Follow(folder, func(string) {
			select {
			case changed <- struct{}{}:
			default:
			}
		})()
	}
	for {
		wait := time.NewTimer(max(retryInterval, time.Until(s.current.NextRotation)))
		select {
		case <-wait.C:
		case <-changed:
		case <-done:
			wait.Stop()
			return
		}
		wait.Stop()
		before := s.current.Keys
		if err := s.refresh(); err != nil {
			s.log.Warn("the keys of session tickets cannot be read", zap.Error(err))
		}
		if slices.Equal(before, s.current.Keys) {
			continue
		}
		select {
		case next <- slices.Clone(s.current.Keys):
		case <-done:
			return
		}
	}
}

// refresh has the keys be those of the storage, and replaces them there when it is time.
func (s *Shared) refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	last.mu.Lock()
	defer last.mu.Unlock()
	if len(s.current.Keys) == 0 {
		s.current = last.keys
	}
	stored, err := s.load(ctx)
	if err == nil && !time.Now().Before(stored.NextRotation) {
		stored, err = s.rotate(ctx)
	}
	if len(stored.Keys) > 0 {
		s.current, last.keys = stored, stored
	}
	return err
}

// load returns none where there are none yet.
func (s *Shared) load(ctx context.Context) (found keys, err error) {
	text, err := s.storage.Load(ctx, keysKey)
	if errors.Is(err, fs.ErrNotExist) {
		return keys{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	return found, err
}

// rotate puts a new key before the others, unless another gateway was quicker. Where it fails it returns what is stored.
func (s *Shared) rotate(ctx context.Context) (stored keys, err error) {
	if err := s.storage.Lock(ctx, lock); err != nil {
		stored, _ := s.load(ctx)
		return stored, fmt.Errorf("locking: %w", err)
	}
	defer func() { err = errors.Join(err, s.storage.Unlock(context.WithoutCancel(ctx), lock)) }()
	stored, err = s.load(ctx)
	if err != nil || time.Now().Before(stored.NextRotation) {
		return stored, err
	}
	rotated := keys{NextRotation: time.Now().Add(time.Duration(s.service.RotationInterval))}
	if rotated.Keys, err = s.service.RotateSTEKs(slices.Clone(stored.Keys)); err != nil {
		return stored, err
	}
	text, err := json.Marshal(rotated)
	if err != nil {
		return stored, err
	}
	if err := s.storage.Store(ctx, keysKey, text); err != nil {
		return stored, err
	}
	return rotated, nil
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*Shared)(nil)
	_ caddytls.STEKProvider = (*Shared)(nil)
)
