package etcdstorage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	clientv3 "go.etcd.io/etcd/client/v3"

	"gatewright.dev/caddy/internal/etcdtest"
)

const (
	oneKey     = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	anotherKey = "__________________________________________8"
)

// open is a storage as a process of its own would have it: with a connection and a lease that no other one shares.
func open(t testing.TB, etcd *etcdtest.Etcd, change func(*Storage)) *Storage {
	t.Helper()
	s := new(Storage)
	s.Endpoints, s.Prefix, s.StoreKeys = []string{etcd.Endpoint}, "/test/", oneKey
	s.Timeout, s.LockTTL = caddy.Duration(time.Second), caddy.Duration(2*time.Second)
	s.Instance = fmt.Sprint(t.Name(), rand.Int())
	if change != nil {
		change(s)
	}
	if err := s.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = clusters.Delete(s.pool) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLikeFiles: whatever is done, keys are found, listed and missed as in certmagic's own storage.
func TestLikeFiles(t *testing.T) {
	ours, theirs := open(t, etcdtest.Start(t), nil), &certmagic.FileStorage{Path: t.TempDir()}
	ctx, random := t.Context(), rand.New(rand.NewPCG(1, 2))
	// No key is a folder of another one: files cannot be both.
	var keys []string
	for _, folder := range []string{"a", "a/b", "a/bc", "ab", "a/b/c.d", "certificates/ca/*.x.test"} {
		for _, file := range []string{"1.json", "2.json", "1.jsonx"} {
			keys = append(keys, folder+"/"+file)
		}
	}
	keys = append(keys, "top.json")
	asked := append(slices.Clone(keys), "a", "a/b", "a/", "a/bc", "ab", "a/b/c.d", "certificates", "nothing", "nothing/at/all", "to", "top.jso")
	kind := func(err error) string {
		switch {
		case err == nil:
			return "found"
		case errors.Is(err, fs.ErrNotExist):
			return "missing"
		}
		return err.Error()
	}
	for step := range 300 {
		key := keys[random.IntN(len(keys))]
		switch random.IntN(4) {
		case 0, 1:
			value := []byte(strings.Repeat("x", random.IntN(5)))
			must(t, ours.Store(ctx, key, value))
			must(t, theirs.Store(ctx, key, value))
		case 2:
			must(t, ours.Delete(ctx, key))
			must(t, theirs.Delete(ctx, key))
		case 3:
			folder := asked[random.IntN(len(asked))]
			must(t, ours.Delete(ctx, folder))
			must(t, theirs.Delete(ctx, folder))
		}
		key = asked[random.IntN(len(asked))]
		value, err := ours.Load(ctx, key)
		want, wantErr := theirs.Load(ctx, key)
		if info, _ := theirs.Stat(ctx, key); wantErr == nil || !info.IsTerminal && info.Key == "" {
			if !bytes.Equal(value, want) || kind(err) != kind(wantErr) {
				t.Fatalf("step %d: %s is %q (%v), not %q (%v)", step, key, value, err, want, wantErr)
			}
		}
		got, err := ours.Stat(ctx, key)
		expected, wantErr := theirs.Stat(ctx, key)
		if kind(err) != kind(wantErr) || got.IsTerminal != expected.IsTerminal || got.Key != expected.Key ||
			got.IsTerminal && (got.Size != expected.Size || got.Modified.Sub(expected.Modified).Abs() > 10*time.Second) {
			// An empty folder is one of files alone.
			if !(kind(err) == "missing" && wantErr == nil && !expected.IsTerminal && isEmpty(theirs, key)) {
				t.Fatalf("step %d: %s is %+v (%v), not %+v (%v)", step, key, got, err, expected, wantErr)
			}
			continue
		}
		if got, want := ours.Exists(ctx, key), theirs.Exists(ctx, key); got != want {
			t.Fatalf("step %d: %s exists: %v, not %v", step, key, got, want)
		}
		for _, recursive := range []bool{false, true} {
			got, err := ours.List(ctx, key, recursive)
			want, wantErr := theirs.List(ctx, key, recursive)
			want = slices.DeleteFunc(want, func(listed string) bool { return isEmpty(theirs, listed) })
			slices.Sort(want)
			if kind(err) != kind(wantErr) || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("step %d: in %s are %q (%v), not %q (%v)", step, key, got, err, want, wantErr)
			}
		}
	}
}

// isEmpty: a folder in which there are no files, in it or below.
func isEmpty(files *certmagic.FileStorage, key string) bool {
	ctx := context.Background()
	if info, err := files.Stat(ctx, key); err != nil || info.IsTerminal {
		return false
	}
	all, _ := files.List(ctx, key, true)
	return !slices.ContainsFunc(all, func(one string) bool { info, _ := files.Stat(ctx, one); return info.IsTerminal })
}

// TestManyKeys are more than are asked for at once.
func TestManyKeys(t *testing.T) {
	s := open(t, etcdtest.Start(t), nil)
	must(t, s.Store(t.Context(), "first", nil))
	client, err := s.cluster.connect(t.Context())
	must(t, err)
	for batch := range pageSize/100 + 2 {
		var puts []clientv3.Op
		for i := range 100 {
			puts = append(puts, clientv3.OpPut(s.at(fmt.Sprintf("many/%d/%d", batch, i)), ""))
		}
		_, err := client.Txn(t.Context()).Then(puts...).Commit()
		must(t, err)
	}
	all, err := s.List(t.Context(), "many", true)
	must(t, err)
	if want := (pageSize/100 + 2) * 101; len(all) != want {
		t.Errorf("%d keys are listed, not %d", len(all), want)
	}
	must(t, s.Delete(t.Context(), "many"))
	if s.Exists(t.Context(), "many") || !s.Exists(t.Context(), "first") {
		t.Error("a folder was not deleted, or too much was")
	}
}

func TestWhileEtcdIsAway(t *testing.T) {
	for name, leave := range map[string]func(*etcdtest.Etcd) (back func()){
		"killed": func(e *etcdtest.Etcd) func() { e.Kill(); return e.Start },
		"paused": func(e *etcdtest.Etcd) func() { e.Pause(); return e.Resume },
	} {
		t.Run(name, func(t *testing.T) {
			etcd, copies := etcdtest.Start(t), t.TempDir()
			withCopies := func(s *Storage) { s.Cache = copies }
			first := open(t, etcd, withCopies)
			must(t, first.Store(t.Context(), "certificates/ca/a.test/a.test.crt", []byte("a")))
			must(t, first.Store(t.Context(), "elsewhere", []byte("b")))
			back := leave(etcd)
			// One that starts now has never spoken to etcd.
			late := open(t, etcd, withCopies)
			for _, s := range []*Storage{first, late} {
				for try := range 3 {
					begun := time.Now()
					value, err := s.Load(t.Context(), "certificates/ca/a.test/a.test.crt")
					if err != nil || string(value) != "a" {
						t.Fatalf("the copy is %q, %v", value, err)
					}
					if took := time.Since(begun); try > 0 && took > 500*time.Millisecond {
						t.Errorf("the copy was read after %v", took)
					}
				}
				if !s.Exists(t.Context(), "elsewhere") || s.Exists(t.Context(), "nowhere") {
					t.Error("what there is are the copies")
				}
				var away *AwayError
				if err := s.Store(t.Context(), "elsewhere", []byte("c")); !errors.As(err, &away) {
					t.Errorf("storing: %v", err)
				}
				if err := s.Lock(t.Context(), "lock"); !errors.As(err, &away) {
					t.Errorf("locking: %v", err)
				}
				// It is not known to be missing.
				if _, err := s.Load(t.Context(), "nowhere"); !errors.As(err, &away) || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("loading what has no copy: %v", err)
				}
			}
			back()
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if err := late.Store(t.Context(), "elsewhere", []byte("d")); err == nil {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("it does not come back: %v", err)
				}
			}
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				value, err := first.Load(t.Context(), "elsewhere")
				if err == nil && string(value) == "d" {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("it does not come back: %q, %v", value, err)
				}
			}
		})
	}
}
