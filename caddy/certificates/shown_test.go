package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

// put keeps a certificate in memory beside those that are ordered, until the test ends.
func put(t *testing.T, until time.Time, tags []string, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(until.Unix()), Subject: pkix.Name{Organization: []string{"by hand"}}, DNSNames: names,
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := managed.current.Authorities["gate"].config
	hash, err := config.CacheUnmanagedTLSCertificate(t.Context(), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, tags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { managed.cache.Load().Remove([]string{hash}) })
}

func TestTheCertificateThatIsExplained(t *testing.T) {
	w := newWorld(t)
	w.add("gate", "a.test")
	w.untilServed("a.test")
	own := w.must("a.test")
	shown, _ := Explain("a.test", "")
	if shown == nil || shown.Issuer != "CN=gate" || !shown.NotAfter.Equal(own.NotAfter) || shown.Imported || len(shown.Names) != 1 {
		t.Errorf("shown is %+v", shown)
	}
	set(func() { gates.refused["refused.test"] = true })
	w.add("gate", "refused.test")
	w.until("the refusal to be told", func() bool {
		shown, order := Explain("refused.test", "")
		return shown == nil && order != nil
	})
	if shown, order := Explain("nobody.test", ""); shown != nil || order != nil {
		t.Errorf("of a name that nobody has: %+v, %v", shown, order)
	}
	if shown, _ := Explain("a.test", "imported-1"); shown != nil {
		t.Errorf("one that is ordered stands for an imported one: %+v", shown)
	}

	hour := time.Now().Add(time.Hour).Truncate(time.Second)
	past := hour.Add(-2 * time.Hour)
	put(t, past, []string{"imported-1"}, "b.test")
	if shown, _ := Explain("b.test", "imported-1"); shown == nil || !shown.NotAfter.Equal(past) {
		t.Errorf("where there is none that is valid: %+v", shown)
	}
	put(t, hour, []string{"imported-1"}, "b.test")
	put(t, hour.Add(time.Hour), []string{"imported-2"}, "b.test")
	if shown, _ := Explain("b.test", "imported-1"); shown == nil || !shown.NotAfter.Equal(hour) || !shown.Imported {
		t.Errorf("of two, one of which has expired: %+v", shown)
	}
	if shown, _ := Explain("b.test", "imported-2"); shown == nil || !shown.NotAfter.Equal(hour.Add(time.Hour)) {
		t.Errorf("of two imported ones: %+v", shown)
	}
}

// The one that is valid longest is told of a name, and none that only covers it.
func TestTheCertificateThatIsTold(t *testing.T) {
	newWorld(t)
	hour := time.Now().Add(time.Hour).Truncate(time.Second)
	put(t, hour.Add(2*time.Hour), nil, "*.test")
	if got := servedFor("b.test"); got != nil {
		t.Errorf("a wildcard is told: %+v", got)
	}
	for _, until := range []time.Duration{0, 1, -1} {
		put(t, hour.Add(until*time.Hour), nil, "b.test")
	}
	want := hour.Add(time.Hour)
	if got := servedFor("b.test"); got == nil || !got.NotAfter.Equal(want) || got.Issuer != "O=by hand" || len(got.Names) != 1 {
		t.Errorf("told is %+v", got)
	}
	if got := servedFor("*.test"); got == nil || !got.NotAfter.Equal(hour.Add(2*time.Hour)) {
		t.Errorf("of the wildcard itself: %+v", got)
	}
}

// An authority that signs here lets handshakes wait for it; one of which a part is elsewhere does not.
func TestAuthoritiesThatSignHere(t *testing.T) {
	newWorld(t)
	for name, local := range map[string]bool{"internal": true, "gate": false, "both": false} {
		if got := managed.current.Authorities[name].local; got != local {
			t.Errorf("%s is local: %v", name, got)
		}
	}
	for what, authority := range map[string]*Authority{"nothing": nil, "no issuer": {}} {
		app := &App{Authorities: map[string]*Authority{"x": authority}}
		if err := app.Provision(caddy.ActiveContext()); err == nil || err.Error() != "authorities[x]: issuers is empty" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A certificate is dropped when none of its names is wanted.
func TestWhatIsDropped(t *testing.T) {
	newWorld(t)
	put(t, time.Now().Add(time.Hour), nil, "left.test", "stays.test")
	found := managed.of("left.test")
	n := &names{bySubject: map[string]*name{}}
	n.cache.Store(managed.cache.Load())
	n.bySubject["stays.test"], _ = idle("stays.test", "gate", nil)
	if _, err := n.configOf(found[0]); err == nil {
		t.Error("a name without an authority has its configuration")
	}
	n.drop(found[0])
	if len(n.of("left.test")) != 1 {
		t.Fatal("a certificate is gone of which a name is wanted")
	}
	delete(n.bySubject, "stays.test")
	n.drop(found[0])
	if len(n.of("left.test")) != 0 {
		t.Error("it stays for nobody")
	}
	// Nothing is kept yet.
	new(names).drop(certmagic.Certificate{Names: []string{"a.test"}})
}

func TestKeysOfTheStorageThatTellOfACertificate(t *testing.T) {
	n := &names{bySubject: map[string]*name{}}
	for _, subject := range []string{"a.test", "*.b.test", "other.test"} {
		n.bySubject[subject], _ = idle(subject, "gate", nil)
		// It waits for another try.
		n.bySubject[subject].done, n.bySubject[subject].poked = make(chan struct{}), make(chan struct{}, 9)
	}
	for _, key := range []string{
		"certificates/ca/other.test/other.test.crt", "certificates/other.test/other.test.json", "certificates/ca/other.test/x/y.json",
		"certificates/ca/nobody.test/nobody.test.json",
	} {
		n.stored(key)
	}
	for subject, key := range map[string]string{
		"a.test": "certificates/ca/a.test/a.test.json", "*.b.test": "certificates/ca/wildcard_.b.test/wildcard_.b.test.json",
	} {
		n.stored(key)
		select {
		case <-n.bySubject[subject].poked:
		case <-time.After(20 * time.Second):
			t.Errorf("%s says nothing of %s", key, subject)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); isRunning("created by gatewright.dev/caddy/certificates.(*names).stored"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("they are told without an end")
		}
	}
	if got := len(n.bySubject["other.test"].poked); got != 0 {
		t.Errorf("%d keys that are none of a certificate's tell of one", got)
	}
}
