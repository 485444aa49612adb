package etcdstorage

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gatewright.dev/caddy/internal/etcdtest"
)

func TestKeysInAllTheirForms(t *testing.T) {
	for _, text := range []string{
		oneKey, strings.TrimRight(oneKey, "="), oneKey + "," + anotherKey, "\n" + oneKey + "\n" + anotherKey + "\r\n", anotherKey + "=",
	} {
		if _, err := parseKeys(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"": "no key", ",": "no key", oneKey + ",c2hvcnQ=": "key 2", "secret!": "key 1", oneKey[:40]: "key 1",
	} {
		_, err := parseKeys(text)
		if err == nil || !strings.Contains(err.Error(), want) || len(text) > 1 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTheFormat is what other programs read too.
func TestTheFormat(t *testing.T) {
	keys, err := parseKeys(oneKey)
	must(t, err)
	sealed := keys.seal("sets/ingresses/doc/a", []byte(`{"id":"a"}`))
	if len(sealed) != 3+8+12+10+16 || string(sealed[:3]) != "GW1" {
		t.Errorf("it is %x", sealed)
	}
	for at := range sealed {
		bad := []byte(string(sealed))
		bad[at] ^= 1
		if _, err := keys.open("sets/ingresses/doc/a", bad); err == nil {
			t.Errorf("octet %d was changed and nobody noticed", at)
		}
	}
	if _, err := keys.open("sets/ingresses/doc/b", sealed); err == nil {
		t.Error("a value was put in the place of another")
	}
	if _, err := keys.open("a", []byte(`{"id":"a"}`)); !errors.Is(err, errNotSealed) {
		t.Errorf("clear text: %v", err)
	}
}

// TestKeysAreReplaced while two processes serve, without one that cannot read.
func TestKeysAreReplaced(t *testing.T) {
	etcd, file := etcdtest.Start(t), filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		must(t, os.WriteFile(file+".new", []byte(text), 0o600))
		must(t, os.Rename(file+".new", file))
	}
	write(oneKey)
	s := open(t, etcd, func(s *Storage) { s.StoreKeys, s.StoreKeysFile = "", file })
	old := open(t, etcd, nil)
	must(t, old.Store(t.Context(), "pki/a", []byte("a")))
	must(t, s.Store(t.Context(), "pki/b", []byte("b")))
	write(anotherKey + "," + oneKey)
	expectValue(t, s, "pki/a", "a")
	// A value by a key that came a moment ago is read at once.
	newest := open(t, etcd, func(s *Storage) { s.StoreKeys = anotherKey })
	must(t, newest.Store(t.Context(), "pki/c", []byte("c")))
	expectValue(t, s, "pki/c", "c")
	if _, err := newest.Load(t.Context(), "pki/a"); err == nil || !strings.Contains(err.Error(), "lack the one with id") {
		t.Errorf("a value of a key that is wanting: %v", err)
	}
	// A file that is bad for a moment changes nothing.
	write("garbage")
	s.cluster.keys.checked = time.Time{}
	expectValue(t, s, "pki/a", "a")
	write(anotherKey + "," + oneKey)
	s.cluster.keys.checked = time.Time{}
	before := strings.Join(values(t, s), "")
	written, err := s.Stat(t.Context(), "pki/a")
	must(t, err)
	count, err := s.Reseal(t.Context())
	if err != nil || count != 2 {
		t.Errorf("%d were sealed again, %v", count, err)
	}
	for key, value := range map[string]string{"pki/a": "a", "pki/b": "b", "pki/c": "c"} {
		expectValue(t, newest, key, value)
	}
	if count, err := s.Reseal(t.Context()); err != nil || count != 0 {
		t.Errorf("%d were sealed twice, %v", count, err)
	}
	if info, err := newest.Stat(t.Context(), "pki/a"); err != nil || info != written {
		t.Errorf("sealing again changed a value: %+v, %v", info, err)
	}
	// What etcd has tells nothing.
	raw, _ := base64.StdEncoding.DecodeString(oneKey)
	for _, text := range append(values(t, s), before) {
		if strings.Contains(text, string(raw)) || !strings.HasPrefix(text, sealMark) {
			t.Errorf("etcd has %x", text)
		}
	}
}

func expectValue(t *testing.T, s *Storage, key, want string) {
	t.Helper()
	if value, err := s.Load(t.Context(), key); err != nil || string(value) != want {
		t.Errorf("%s is %q, %v", key, value, err)
	}
}

func values(t *testing.T, s *Storage) (texts []string) {
	t.Helper()
	client, err := s.cluster.connect(t.Context())
	must(t, err)
	found, err := client.Get(t.Context(), s.Prefix+dataFolder, clientv3.WithPrefix())
	must(t, err)
	for _, one := range found.Kvs {
		texts = append(texts, string(one.Value))
	}
	return texts
}
