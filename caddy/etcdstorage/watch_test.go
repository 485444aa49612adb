package etcdstorage

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gatewright.dev/caddy/internal/etcdtest"
)

// told collects what a follower is told from now on.
func told(t *testing.T, s *Storage, folder string) (expect func(keys ...string)) {
	t.Helper()
	keys := make(chan string, 1000)
	t.Cleanup(s.Follow(folder, func(key string) { keys <- key }))
	next := func() string {
		select {
		case got := <-keys:
			return got
		case <-time.After(20 * time.Second):
			t.Fatal("it was told of nothing more")
			return ""
		}
	}
	for begun := false; !begun; {
		must(t, s.Store(t.Context(), folder+"/begun", nil))
		select {
		case <-keys:
			begun = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	must(t, s.Store(t.Context(), folder+"/now", nil))
	for next() != folder+"/now" {
	}
	return func(wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if got := next(); got != want {
				t.Fatalf("it was told of %q, not %q", got, want)
			}
		}
	}
}

// TestOthersChangesAreTold, those while etcd was away too.
func TestOthersChangesAreTold(t *testing.T) {
	etcd := etcdtest.Start(t)
	s, other := open(t, etcd, nil), open(t, etcd, nil)
	expect := told(t, s, "certificates")
	must(t, other.Store(t.Context(), "elsewhere/a", nil))
	must(t, other.Store(t.Context(), "certificates/a", nil))
	must(t, s.Store(t.Context(), "certificates/b", nil))
	must(t, other.Delete(t.Context(), "certificates/a"))
	expect("certificates/a", "certificates/b", "certificates/a")
	etcd.Kill()
	etcd.Start()
	must(t, other.Store(t.Context(), "certificates/c", nil))
	expect("certificates/c")
	// What etcd has forgotten is told as something that may have been missed, and so are copies.
	client, err := other.cluster.connect(t.Context())
	must(t, err)
	if next := s.cluster.watchFrom(client, forgotten(t, other, client)); next != 0 {
		t.Errorf("it goes on at %d, which etcd has forgotten", next)
	}
	go s.cluster.watchFrom(client, 0)
	expect("")
}

// forgotten is a revision that etcd has forgotten.
func forgotten(t *testing.T, s *Storage, client *clientv3.Client) int64 {
	t.Helper()
	must(t, s.Store(t.Context(), "elsewhere/b", nil))
	now, err := client.Get(t.Context(), s.at("elsewhere/b"))
	must(t, err)
	_, err = client.Compact(t.Context(), now.Header.Revision)
	must(t, err)
	return now.Header.Revision - 1
}

// TestTokens are answered by each process, and strangers who ask for others do not reach etcd.
func TestTokens(t *testing.T) {
	const key = "acme/ca/challenge_tokens/a.test.json"
	etcd := etcdtest.Start(t)
	s, other := open(t, etcd, nil), open(t, etcd, nil)
	expect := told(t, s, "acme")
	must(t, other.Store(t.Context(), key, []byte("token")))
	expect(key)
	begun := time.Now()
	asked := 0
	for time.Since(begun) < 500*time.Millisecond {
		for range 1000 {
			if _, err := s.Load(t.Context(), "acme/ca/challenge_tokens/stranger.test.json"); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			asked++
		}
	}
	if asked < 1000 || s.cluster.changes.misses.Tokens() > 1 {
		t.Errorf("%d questions, and the bound was not met", asked)
	}
	expectValue(t, s, key, "token")
	must(t, other.Delete(t.Context(), key))
	expect(key)
	if _, err := s.Load(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestTakingTogether: three processes that want more than there may be get as many as there may be.
func TestTakingTogether(t *testing.T) {
	etcd := etcdtest.Start(t)
	var taken atomic.Int32
	var group sync.WaitGroup
	begun := time.Now()
	for range 3 {
		s := open(t, etcd, nil)
		for range 5 {
			group.Go(func() {
				if err := s.Take(t.Context(), "ca", 5, 2*time.Second); err != nil {
					t.Error(err)
				}
				// Those of three windows: each ends after its time, and not before.
				if n, windows := taken.Add(1), 1+int32(time.Since(begun)/(2*time.Second)); n > 5*windows {
					t.Errorf("%d were taken in %d windows", n, windows)
				}
			})
		}
	}
	group.Wait()
	if took := time.Since(begun); took < 4*time.Second {
		t.Errorf("15 were taken within %v", took)
	}
	s := open(t, etcd, nil)
	for i := range 3 {
		must(t, s.Take(t.Context(), fmt.Sprint("other", i), 1, time.Minute))
	}
}
