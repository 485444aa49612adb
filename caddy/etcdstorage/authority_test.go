package etcdstorage

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"gatewright.dev/caddy/internal/etcdtest"
)

// TestOneAuthority: of Caddys that all begin at once one makes the authority, as caddypki does it, and the others take it.
func TestOneAuthority(t *testing.T) {
	etcd := etcdtest.Start(t)
	const folder = "pki/authorities/local/"
	var group sync.WaitGroup
	roots := make([]string, 6)
	// ensure is what caddypki does for one certificate and its key.
	ensure := func(s *Storage, kind, mine string) (string, error) {
		found, err := s.Load(t.Context(), folder+kind+".crt")
		if err == nil {
			key, err := s.Load(t.Context(), folder+kind+".key")
			if string(key) != string(found) {
				return "", fmt.Errorf("the key of %s is that of %s", found, key)
			}
			return string(found), err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, file := range []string{".crt", ".key"} {
			if err := s.Store(t.Context(), folder+kind+file, []byte(mine)); err != nil {
				return "", err
			}
		}
		return mine, nil
	}
	for i := range roots {
		s := open(t, etcd, nil)
		group.Go(func() {
			for _, kind := range []string{"root", "intermediate"} {
				made, err := ensure(s, kind, fmt.Sprint(i))
				if err != nil {
					t.Error(err)
				}
				roots[i] += made
			}
		})
	}
	group.Wait()
	for _, root := range roots {
		if root != roots[0] {
			t.Fatalf("there are several authorities: %v", roots)
		}
	}
	// Each renews the intermediate for itself; what is stored in the end is of one of them.
	for i := range 4 {
		s := open(t, etcd, nil)
		group.Go(func() {
			for _, file := range []string{".crt", ".key"} {
				if err := s.Store(t.Context(), folder+"intermediate"+file, []byte(fmt.Sprint("new", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if _, err := ensure(open(t, etcd, nil), "intermediate", "none"); err != nil {
		t.Error(err)
	}
}
