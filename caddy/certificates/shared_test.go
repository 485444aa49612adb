package certificates

import (
	"encoding/json"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/etcdstorage"
	"gatewright.dev/caddy/internal/etcdtest"
)

// otherGateway orders and renews as one in another process does, over the same storage.
func otherGateway(t *testing.T, store map[string]any) *certmagic.Config {
	t.Helper()
	storage := new(etcdstorage.Storage)
	text, err := json.Marshal(store)
	if err == nil {
		err = json.Unmarshal(text, storage)
	}
	storage.Instance = "other"
	if err == nil {
		err = storage.Provision(caddy.Context{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var config *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
	})
	t.Cleanup(cache.Stop)
	config = certmagic.New(cache, certmagic.Config{Storage: storage, Issuers: []certmagic.Issuer{new(gate)}})
	return config
}

// TestWhatAnotherGatewayStores is shown at once: to a name that waits for another try, and in the place of what was renewed.
func TestWhatAnotherGatewayStores(t *testing.T) {
	store := map[string]any{
		"module": "gatewright_etcd", "endpoints": []string{etcdtest.Start(t).Endpoint}, "instance": t.Name(),
		"store_keys": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	}
	w := newWorldOver(t, store)
	other := otherGateway(t, store)
	set(func() { gates.refused["*.a.test"] = true })
	w.add("gate", "*.a.test")
	w.until("the refusal", func() bool { got := attempts.of("*.a.test"); return got != nil && got.Failures == 1 })
	set(func() { clear(gates.refused) })
	// It would be tried again in a minute.
	if err := other.ObtainCertSync(t.Context(), "*.a.test"); err != nil {
		t.Fatal(err)
	}
	w.untilServed("x.a.test")
	if got := count(gates.orders, "*.a.test"); got != 2 {
		t.Errorf("it was ordered %d times", got)
	}
	first := w.must("x.a.test")
	w.load()
	if err := other.RenewCertSync(t.Context(), "*.a.test", true); err != nil {
		t.Fatal(err)
	}
	w.until("what was renewed to be shown", func() bool {
		shown, err := w.shown("x.a.test")
		return err == nil && shown.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	w.until("the old one to go", func() bool { return len(managed.inMemory("x.a.test")) == 1 })
	if got := attempts.of("*.a.test"); got != nil {
		t.Errorf("of a name that is served it is told %+v", got)
	}
}

// TestOneOrderForSeveral: a name that another gateway is ordering is not ordered here too.
func TestOneOrderForSeveral(t *testing.T) {
	store := map[string]any{
		"module": "gatewright_etcd", "endpoints": []string{etcdtest.Start(t).Endpoint}, "instance": t.Name(),
		"store_keys": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	}
	w := newWorldOver(t, store)
	other := otherGateway(t, store)
	set(func() { gates.closed["b.test"] = true })
	done := make(chan error)
	go func() { done <- other.ObtainCertSync(t.Context(), "b.test") }()
	w.until("the other's order", func() bool { return count(gates.orders, "b.test") == 1 })
	w.add("gate", "b.test")
	set(func() { clear(gates.closed) })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.untilServed("b.test")
	if got := count(gates.orders, "b.test"); got != 1 {
		t.Errorf("it was ordered %d times", got)
	}
}

// TestOrdersWaitForTheStorage and go on when it is back: no minute passes as after a refusal.
func TestOrdersWaitForTheStorage(t *testing.T) {
	etcd := etcdtest.Start(t)
	w := newWorldOver(t, map[string]any{
		"module": "gatewright_etcd", "endpoints": []string{etcd.Endpoint}, "instance": t.Name(), "timeout": "500ms",
		"store_keys": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	})
	w.add("gate", "before.test")
	w.untilServed("before.test")
	etcd.Kill()
	w.add("gate", "after.test")
	w.until("the trouble to be told", func() bool { got := attempts.of("after.test"); return got != nil && got.Failures >= 1 })
	if got := count(gates.orders, "after.test"); got != 0 {
		t.Errorf("it was ordered %d times without a lock", got)
	}
	w.must("before.test")
	etcd.Start()
	w.untilServed("after.test")
	w.until("the trouble to be over", func() bool { return attempts.of("after.test") == nil })
}
