package certificates

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/etcdtest"
)

// TestManyAreReadAndNotOrdered when they come again, as at a start: from files, from etcd, and from the copies while etcd is away.
// CERTIFICATES=10000 tells how long that takes.
func TestManyAreReadAndNotOrdered(t *testing.T) {
	most, err := strconv.Atoi(os.Getenv("CERTIFICATES"))
	if err != nil {
		most = 60
	}
	hosts := make([]string, most)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("n%d.many.test", i)
	}
	served := func() (count int) {
		for _, host := range hosts {
			if len(managed.of(host)) > 0 {
				count++
			}
		}
		return count
	}
	again := func(t *testing.T, w *world, from string) {
		t.Helper()
		serials := map[string]string{}
		for _, host := range hosts {
			serials[host] = managed.of(host)[0].Leaf.SerialNumber.String()
		}
		w.remove(hosts...)
		w.until("all to go", func() bool { return w.known() == 0 && served() == 0 })
		begun := time.Now()
		w.add("internal", hosts...)
		for deadline := begun.Add(5 * time.Minute); served() < most; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d are served", served(), most)
			}
		}
		t.Logf("%d certificates from %s in %v", most, from, time.Since(begun).Round(time.Millisecond))
		for _, host := range hosts {
			if got := managed.of(host)[0].Leaf.SerialNumber.String(); got != serials[host] {
				t.Fatalf("%s was signed again", host)
			}
		}
	}
	first := func(t *testing.T, store map[string]any) *world {
		t.Helper()
		w := newWorldOver(t, store)
		w.add("internal", hosts...)
		for deadline := time.Now().Add(10 * time.Minute); served() < most; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d are signed", served(), most)
			}
		}
		return w
	}
	t.Run("files", func(t *testing.T) { again(t, first(t, nil), "files") })
	t.Run("etcd", func(t *testing.T) {
		etcd := etcdtest.Start(t)
		w := first(t, map[string]any{
			"module": "gatewright_etcd", "endpoints": []string{etcd.Endpoint}, "instance": t.Name(), "cache": t.TempDir(),
			"timeout": "1s", "store_keys": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		})
		again(t, w, "etcd")
		etcd.Kill()
		again(t, w, "the copies")
		etcd.Start()
	})
}
