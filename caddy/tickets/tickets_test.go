package tickets

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"gatewright.dev/caddy/etcdstorage"
	"gatewright.dev/caddy/internal/etcdtest"
)

// gateway is one in a process of its own.
func gateway(t *testing.T, etcd *etcdtest.Etcd, instance string) *Shared {
	t.Helper()
	storage := new(etcdstorage.Storage)
	text, err := json.Marshal(map[string]any{
		"endpoints": []string{etcd.Endpoint}, "instance": t.Name() + instance, "timeout": "1s",
		"store_keys": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	})
	if err == nil {
		err = json.Unmarshal(text, storage)
	}
	if err == nil {
		err = storage.Provision(caddy.Context{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return &Shared{storage: storage, log: zap.NewNop()}
}

// warnings are those of a gateway from now on.
func warnings(s *Shared) *observer.ObservedLogs {
	core, logs := observer.New(zap.WarnLevel)
	s.log = zap.New(core)
	return logs
}

// change has the stored keys be others.
func change(t *testing.T, s *Shared, change func(stored *keys)) keys {
	t.Helper()
	stored, err := s.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(&stored)
	text, _ := json.Marshal(stored)
	if err := s.storage.Store(t.Context(), keysKey, text); err != nil {
		t.Fatal(err)
	}
	return stored
}

func initialize(t *testing.T, s *Shared, rotation time.Duration) [][32]byte {
	t.Helper()
	last.mu.Lock()
	last.keys = keys{} // As in a process of its own.
	last.mu.Unlock()
	first, err := s.Initialize(&caddytls.SessionTicketService{RotationInterval: caddy.Duration(rotation), MaxKeys: 4})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func begin(t *testing.T, s *Shared, rotation time.Duration) (first [][32]byte, next <-chan [][32]byte) {
	t.Helper()
	first = initialize(t, s, rotation)
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	return first, s.Next(done)
}

func TestGatewaysShareKeys(t *testing.T) {
	etcd := etcdtest.Start(t)
	one, other := gateway(t, etcd, "1"), gateway(t, etcd, "2")
	first, next := begin(t, one, time.Hour)
	others, othersNext := begin(t, other, time.Hour)
	if len(first) != 1 || !slices.Equal(first, others) {
		t.Fatalf("one has %d keys and the other others", len(first))
	}
	// When it is time one replaces them, and the others take them at once; the one before opens still.
	change(t, other, func(stored *keys) { stored.NextRotation = time.Now().Add(-time.Second) })
	for name, next := range map[string]<-chan [][32]byte{"one": next, "other": othersNext} {
		select {
		case got := <-next:
			if len(got) != 2 || got[1] != first[0] {
				t.Fatalf("%s: %d keys, and the one before is not among them", name, len(got))
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: nobody replaced the keys", name)
		}
	}
}

// TestWithoutTheStorage a gateway has keys of its own, until there are those of all.
func TestWithoutTheStorage(t *testing.T) {
	etcd := etcdtest.Start(t)
	etcd.Kill()
	s := gateway(t, etcd, "1")
	logs := warnings(s)
	own := initialize(t, s, time.Hour)
	if len(own) != 1 {
		t.Fatalf("it has %d keys", len(own))
	}
	if got := logs.Len(); got != 1 {
		t.Errorf("%d warnings", got)
	}
	etcd.Start()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := s.refresh()
		if err == nil {
			break
		}
		if away := new(etcdstorage.AwayError); !errors.As(err, &away) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	stored, err := s.load(t.Context())
	if err != nil || !slices.Equal(stored.Keys, s.current.Keys) {
		t.Errorf("it has others than are stored, %v", err)
	}
}

// TestKeysThatAreKnown are those of the next configuration too, also while the storage is away.
func TestKeysThatAreKnown(t *testing.T) {
	etcd := etcdtest.Start(t)
	s := gateway(t, etcd, "1")
	logs := warnings(s)
	known := initialize(t, s, time.Hour)
	if logs.Len() != 0 {
		t.Errorf("it warns: %v", logs.All())
	}
	etcd.Kill()
	if err := s.refresh(); err == nil || !slices.Equal(s.current.Keys, known) {
		t.Errorf("without the storage it has %d keys, %v", len(s.current.Keys), err)
	}
	next := &Shared{storage: s.storage, log: zap.NewNop()}
	got, err := next.Initialize(s.service)
	if err != nil || !slices.Equal(got, known) {
		t.Errorf("the next configuration has %d keys, of its own perhaps: %v", len(got), err)
	}
}

// TestKeysAreReplacedInTime and not before, and nobody waits for whoever does it.
func TestKeysAreReplacedInTime(t *testing.T) {
	etcd := etcdtest.Start(t)
	s, other := gateway(t, etcd, "1"), gateway(t, etcd, "2")
	first := initialize(t, s, time.Hour)
	// As when two find that it is time, and the other one was quicker.
	if got, err := s.rotate(t.Context()); err != nil || !slices.Equal(got.Keys, first) {
		t.Errorf("it has %d keys, %v", len(got.Keys), err)
	}
	if err := other.storage.Lock(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	if err := s.refresh(); err != nil || !slices.Equal(s.current.Keys, first) {
		t.Errorf("while another replaces them: %v", err)
	}
}

// TestKeysThatStayTheSame say nothing, and the others after them do. What cannot be read is logged, and nothing else.
func TestKeysThatStayTheSame(t *testing.T) {
	etcd := etcdtest.Start(t)
	s, other := gateway(t, etcd, "1"), gateway(t, etcd, "2")
	logs := warnings(s)
	_, next := begin(t, s, time.Hour)
	tell := func(text string) {
		t.Helper()
		if err := other.storage.Store(t.Context(), keysKey, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	stored := change(t, other, func(*keys) {})
	tell("no keys")
	for deadline := time.Now().Add(20 * time.Second); logs.Len() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is said of keys that cannot be read")
		}
	}
	stored.Keys = [][32]byte{{1}, {2}}
	text, _ := json.Marshal(stored)
	tell(string(text))
	select {
	case got := <-next:
		if !slices.Equal(got, stored.Keys) {
			t.Errorf("it is given %d keys", len(got))
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it has not taken the others")
	}
	for _, entry := range logs.All() {
		if entry.ContextMap()["error"] == nil {
			t.Errorf("it warns of keys that can be read: %v", entry)
		}
	}
}
