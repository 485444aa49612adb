package etcdstorage

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	clientv3 "go.etcd.io/etcd/client/v3"

	"gatewright.dev/caddy/internal/etcdtest"
)

func TestCaddyfile(t *testing.T) {
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	storage gatewright_etcd {
		endpoints https://a:2379 https://b:2379
		prefix /caddy/
		username caddy
		password {file./etc/caddy/etcd-password}
		ca /ca.pem
		cert /cert.pem
		key /key.pem
		store_keys new old
		cache /var/lib/caddy/copy
		timeout 2s
		lock_ttl 20s
		instance a
	}
}
`), nil)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	var config struct{ Storage Storage }
	must(t, json.Unmarshal(adapted, &config))
	want := settings{
		Endpoints: []string{"https://a:2379", "https://b:2379"}, Prefix: "/caddy/", Username: "caddy",
		Password: "{file./etc/caddy/etcd-password}", CA: "/ca.pem", Cert: "/cert.pem", Key: "/key.pem", StoreKeys: "new,old",
		Cache: "/var/lib/caddy/copy", Timeout: caddy.Duration(2 * time.Second), LockTTL: caddy.Duration(20 * time.Second), Instance: "a",
	}
	if !reflect.DeepEqual(config.Storage.settings, want) {
		t.Errorf("it became %+v", config.Storage.settings)
	}
	for _, bad := range []string{"{\nprefix\n}", "{\nprefix a b\n}", "{\nunknown a\n}", "{\ntimeout soon\n}", "x"} {
		if err := new(Storage).UnmarshalCaddyfile(caddyfile.NewTestDispenser("gatewright_etcd " + bad)); err == nil {
			t.Errorf("it took %s", bad)
		}
	}
}

// TestAllProblems are told at once, and no secret with them.
func TestAllProblems(t *testing.T) {
	s := &Storage{settings: settings{
		Endpoints: []string{"etcd:2379", "http://a:1", "https://b:1"}, Username: "a", Cert: "c", StoreKeys: "hidden", StoreKeysFile: "f",
		LockTTL: caddy.Duration(1500 * time.Millisecond), Timeout: -1,
	}}
	err := s.Provision(caddy.Context{})
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, part := range []string{"endpoints: \"etcd:2379\"", "all are http", "username", "cert and key", "store_keys and", "lock_ttl", "timeout"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not told of in %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Error("a key is told")
	}
	if err := (&Storage{settings: settings{Endpoints: []string{"http://a:1"}}}).Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("without keys: %v", err)
	}
}

// TestConfigurationsShare a connection, and with it the locks of orders that outlive one of them.
func TestConfigurationsShare(t *testing.T) {
	etcd := etcdtest.Start(t)
	same := func(s *Storage) { s.Instance = "same" }
	before, after := open(t, etcd, same), open(t, etcd, same)
	must(t, before.Lock(t.Context(), "a"))
	must(t, before.Cleanup())
	must(t, after.Unlock(t.Context(), "a"))
	if before.cluster != after.cluster {
		t.Error("there are two connections")
	}
}

// TestAnotherPassword is taken with the next configuration: who holds a lock keeps it, and what comes then logs in again.
func TestAnotherPassword(t *testing.T) {
	etcd := etcdtest.Start(t)
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint}})
	must(t, err)
	t.Cleanup(func() { _ = root.Close() })
	_, err = root.UserAdd(t.Context(), "root", "first")
	must(t, err)
	_, err = root.UserGrantRole(t.Context(), "root", "root")
	must(t, err)
	_, err = root.AuthEnable(t.Context())
	must(t, err)
	with := func(password string) *Storage {
		return open(t, etcd, func(s *Storage) { s.Instance, s.Username, s.Password = "same", "root", password })
	}
	before := with("first")
	must(t, before.Store(t.Context(), "a", []byte("a")))
	must(t, before.Lock(t.Context(), "held"))
	asFirst, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint}, Username: "root", Password: "first"})
	must(t, err)
	t.Cleanup(func() { _ = asFirst.Close() })
	_, err = asFirst.UserChangePassword(t.Context(), "root", "second")
	must(t, err)
	after := with("second")
	if before.cluster != after.cluster {
		t.Fatal("there are two clusters")
	}
	expectValue(t, after, "a", "a")
	must(t, after.Store(t.Context(), "b", []byte("b")))
	// The lock is still held, beyond the life of its lease.
	time.Sleep(time.Duration(after.LockTTL) + time.Second)
	if locked, err := after.TryLock(t.Context(), "held"); locked || err != nil {
		t.Errorf("a lock that is held was taken: %v, %v", locked, err)
	}
	must(t, after.Unlock(t.Context(), "held"))
}
