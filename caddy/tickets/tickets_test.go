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
	keys, next := begin(t, one, time.Hour)
	others, othersNext := begin(t, other, time.Hour)
	if len(keys) != 1 || !slices.Equal(keys, others) {
		t.Fatalf("one has %d keys and the other others", len(keys))
	}
	// When it is time one replaces them, and the others take them at once; the one before opens still.
	stored, err := other.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored.NextRotation = time.Now().Add(-time.Second)
	text, _ := json.Marshal(stored)
	if err := other.storage.Store(t.Context(), keysKey, text); err != nil {
		t.Fatal(err)
	}
	for name, next := range map[string]<-chan [][32]byte{"one": next, "other": othersNext} {
		select {
		case got := <-next:
			if len(got) != 2 || got[1] != keys[0] {
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
	own := initialize(t, s, time.Hour)
	if len(own) != 1 {
		t.Fatalf("it has %d keys", len(own))
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
