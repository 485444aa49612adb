package certificates

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "gatewright.dev/caddy/dispatcher"
	_ "gatewright.dev/caddy/layer4"
)

// TestServedWithTheChange: a certificate that exists or that is signed here is there at the first handshake.
func TestServedWithTheChange(t *testing.T) {
	w := newWorld(t)
	w.add("internal", "a.test", "*.wild.test")
	first := w.must("a.test")
	if got := w.must("b.wild.test").DNSNames; len(got) != 1 || got[0] != "*.wild.test" {
		t.Fatalf("under the wildcard %v is shown", got)
	}
	w.remove("a.test")
	w.mustNot("a.test")
	if len(managed.inMemory("a.test")) > 0 {
		t.Fatal("the certificate of a name that has gone is kept, and so renewed")
	}
	w.add("internal", "a.test")
	if w.must("a.test").SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Fatal("the certificate that exists was not taken")
	}
	w.mustNot("unknown.test")
	w.mustNot("x.y.wild.test")
}

func TestNoNameWaitsForAnother(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.closed["slow.test"] = true })
	w.add("gate", "slow.test")
	w.until("the order", func() bool { return count(gates.orders, "slow.test") == 1 })
	// The order is under way: a handshake does not wait for it.
	w.mustNot("slow.test")
	w.add("internal", "internal.test")
	w.must("internal.test")
	w.add("gate", "fast.test")
	w.untilServed("fast.test")
	set(func() { clear(gates.closed) })
	w.untilServed("slow.test")
}

// TestReloadsEndNoOrder: an order goes on through configurations, with whatever table they find, and is made once.
func TestReloadsEndNoOrder(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.closed["slow.test"] = true })
	w.add("gate", "slow.test", "there.test")
	w.until("the order", func() bool { return count(gates.orders, "slow.test") == 1 })
	w.untilServed("there.test")
	before := w.must("there.test")
	for range 5 {
		w.load()
		w.tell()
		if w.must("there.test").SerialNumber.Cmp(before.SerialNumber) != 0 {
			t.Fatal("a reload brought another certificate")
		}
	}
	set(func() { clear(gates.closed) })
	w.untilServed("slow.test")
	for _, name := range []string{"slow.test", "there.test"} {
		if orders, ended := count(gates.orders, name), count(gates.ended, name); orders != 1 || ended != 0 {
			t.Errorf("%s was ordered %d times, and %d orders were ended", name, orders, ended)
		}
	}
}

// TestAConfigurationThatFails leaves the authorities of the one that goes on, and what they signed.
func TestAConfigurationThatFails(t *testing.T) {
	w := newWorld(t)
	w.add("gate", "there.test")
	w.untilServed("there.test")
	there := w.must("there.test")
	set(func() { gates.closed["slow.test"] = true })
	w.add("gate", "slow.test")
	w.until("the order", func() bool { return count(gates.orders, "slow.test") == 1 })
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	refused := fmt.Sprintf(`{"admin": {"disabled": true}, "storage": {"module": "file_system", "root": %q}, "apps": {
		"gatewright": {"resolver": {"address": %q}},
		"gatewright_certificates": {"authorities": {"gate": {"issuers": [{"module": "test_gate", "key": "of-a-failure"}]}}},
		"http": {"servers": {"main": {"listen": ["gatewright/%s"]}}}
	}}`, w.storage, w.dns.Address, busy.Addr())
	if err := caddy.Load([]byte(refused), true); err == nil {
		t.Fatal("a port that is taken was not noticed")
	}
	if w.must("there.test").SerialNumber.Cmp(there.SerialNumber) != 0 {
		t.Error("a configuration that failed brought another certificate")
	}
	set(func() { clear(gates.closed) })
	w.untilServed("slow.test")
	for _, name := range []string{"there.test", "slow.test"} {
		if orders := count(gates.orders, name); orders != 1 {
			t.Errorf("%s was ordered %d times", name, orders)
		}
	}
}

func TestARowThatGoesEndsItsOrder(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.closed["slow.test"] = true })
	w.add("gate", "slow.test")
	w.until("the order", func() bool { return count(gates.orders, "slow.test") == 1 })
	w.remove("slow.test")
	w.until("the end of the order", func() bool { return count(gates.ended, "slow.test") == 1 && w.known() == 0 })
	if got := attempts.of("slow.test"); got != nil {
		t.Fatalf("of a name that has gone it is told %+v", got)
	}
	// What was under way may be told later.
	managed.record("cert_obtaining", map[string]any{"identifier": "slow.test"})
	if got := attempts.of("slow.test"); got != nil {
		t.Fatalf("of a name that has gone it is told %+v", got)
	}
	w.add("gate", "slow.test")
	w.remove("slow.test")
	w.add("gate", "slow.test")
	set(func() { clear(gates.closed) })
	w.untilServed("slow.test")
}

// TestRenewal: a certificate is renewed as long as there is the row, by no configuration's leave.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.life = 3 * time.Second })
	w.add("gate", "stays.test", "goes.test")
	w.untilServed("stays.test")
	w.untilServed("goes.test")
	w.load()
	w.remove("goes.test")
	orders := count(gates.orders, "goes.test")
	w.until("renewals", func() bool { return count(gates.signed, "stays.test") >= orders+3 })
	w.must("stays.test")
	// One more than was under way when it went.
	if got := count(gates.orders, "goes.test"); got > orders+1 {
		t.Fatalf("a name that has gone was ordered %d times more", got-orders)
	}
}

// TestANameThatGoesWhileItIsRenewed: certmagic ends the renewal, and puts the certificate where it was.
func TestANameThatGoesWhileItIsRenewed(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.life = 3 * time.Second })
	w.add("gate", "goes.test")
	w.untilServed("goes.test")
	set(func() { gates.closed["goes.test"] = true })
	w.until("a renewal", func() bool { return count(gates.orders, "goes.test") > count(gates.signed, "goes.test") })
	w.remove("goes.test")
	signed := count(gates.signed, "goes.test")
	set(func() { clear(gates.closed) })
	w.until("its end", func() bool { return count(gates.signed, "goes.test") > signed && !renewing() })
	w.until("the certificate to go", func() bool { return len(managed.inMemory("goes.test")) == 0 })
}

// TestAnExpiredCertificate that lay in the storage is renewed when its name comes.
func TestAnExpiredCertificate(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.life = time.Second })
	w.add("gate", "old.test")
	w.untilServed("old.test")
	first := w.must("old.test")
	w.remove("old.test")
	w.until("its end", func() bool { return time.Now().After(first.NotAfter.Add(time.Second)) })
	set(func() { gates.life = time.Hour })
	w.add("gate", "old.test")
	w.until("another certificate", func() bool {
		shown, err := w.shown("old.test")
		return err == nil && shown.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if got := len(managed.inMemory("old.test")); got != 1 {
		t.Fatalf("there are %d certificates of the name", got)
	}
}

// TestAnotherAuthority signs new ones, and what the first had signed is there when it is asked again.
func TestAnotherAuthority(t *testing.T) {
	w := newWorld(t)
	w.add("gate", "a.test")
	w.untilServed("a.test")
	signedBy := func(issuer string) {
		t.Helper()
		w.until(issuer+" to sign", func() bool {
			shown, err := w.shown("a.test")
			return err == nil && shown.Issuer.CommonName == issuer
		})
	}
	w.key = "2"
	w.load()
	signedBy("gate2")
	w.add("internal", "a.test")
	w.until("the internal authority to sign", func() bool {
		shown, err := w.shown("a.test")
		return err == nil && !strings.HasPrefix(shown.Issuer.CommonName, "gate")
	})
	w.add("gate", "a.test")
	signedBy("gate2")
	if got := count(gates.orders, "a.test"); got != 2 {
		t.Fatalf("it was ordered %d times", got)
	}
}

func TestARefusalIsToldAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.refused["no.test"] = true })
	w.add("gate", "no.test")
	w.until("the refusal", func() bool {
		got := attempts.of("no.test")
		return got != nil && got.Failures == 1 && strings.Contains(got.Error, "refused") && got.TryingSince == nil
	})
	w.mustNot("no.test")
	set(func() { clear(gates.refused) })
	// It is tried again in a minute, whatever is loaded until then.
	w.load()
	w.add("gate", "other.test")
	w.untilServed("other.test")
	if got := count(gates.orders, "no.test"); got != 1 {
		t.Fatalf("it was ordered %d times", got)
	}
	w.credentials = "others"
	w.load()
	w.untilServed("no.test")
	if got := attempts.of("no.test"); got != nil {
		t.Fatalf("of a name that is served it is told %+v", got)
	}
}

// TestTriedAgainByItself: after a pause that doubles with each failure, until there is a certificate.
func TestTriedAgainByItself(t *testing.T) {
	w := newWorld(t)
	setPause := func(pause time.Duration) {
		managed.mu.Lock()
		defer managed.mu.Unlock()
		managed.firstPause = pause
	}
	setPause(100 * time.Millisecond)
	t.Cleanup(func() { setPause(defaultPause) })
	set(func() { gates.refused["no.test"] = true })
	begun := time.Now()
	w.add("gate", "no.test")
	w.until("four tries", func() bool { return count(gates.orders, "no.test") >= 4 })
	if took, least := time.Since(begun), 700*time.Millisecond; took < least {
		t.Errorf("the fourth try came after %v, before pauses of %v in all", took, least)
	}
	set(func() { clear(gates.refused) })
	w.untilServed("no.test")
	setPause(defaultPause)
	if got := managed.pause(100); got != maxPause {
		t.Errorf("the longest pause is %v", got)
	}
}

// TestNewNamesFirst: however many have failed, few of them are tried again at once.
func TestNewNamesFirst(t *testing.T) {
	w := newWorld(t)
	failing := make([]string, 5*maxRetries())
	for i := range failing {
		failing[i] = fmt.Sprintf("f%d.test", i)
		set(func() { gates.refused[failing[i]] = true })
	}
	orders := func() (sum int) {
		for _, name := range failing {
			sum += count(gates.orders, name)
		}
		return sum
	}
	w.add("gate", failing...)
	w.until("the refusals", func() bool {
		return !slices.ContainsFunc(failing, func(name string) bool {
			got := attempts.of(name)
			return got == nil || got.Failures != 1
		})
	})
	set(func() {
		clear(gates.refused)
		for _, name := range failing {
			gates.closed[name] = true
		}
	})
	w.credentials = "others"
	w.load()
	w.until("as many to be tried again as may be", func() bool { return orders() == len(failing)+maxRetries() })
	w.load()
	w.add("gate", "new.test")
	w.untilServed("new.test")
	if got := orders() - len(failing); got != maxRetries() {
		t.Fatalf("%d are tried again at once", got)
	}
	set(func() { clear(gates.closed) })
	for _, name := range failing {
		w.untilServed(name)
	}
}

// TestChangesInAnyOrder: whatever comes, goes and is loaded meanwhile, at the end each name is served and no other.
func TestChangesInAnyOrder(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	names := make([]string, 12)
	for i := range names {
		names[i] = fmt.Sprintf("n%d.test", i)
	}
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					_, _ = w.shown(names[i%len(names)])
				}
			}
		})
	}
	for range 300 {
		name := names[random.IntN(len(names))]
		switch random.IntN(10) {
		case 0:
			w.key = fmt.Sprint(random.IntN(2))
			w.load()
		case 1, 2, 3:
			w.remove(name)
		case 4, 5:
			w.add("internal", name)
		case 6:
			set(func() { gates.closed[name] = !gates.closed[name] })
		default:
			w.add("gate", name)
		}
	}
	set(func() { clear(gates.closed) })
	close(stop)
	clients.Wait()
	for _, name := range names {
		issuer, present := w.present[name]
		if !present {
			w.until(name+" to be gone", func() bool {
				_, err := w.shown(name)
				return err != nil && len(managed.inMemory(name)) == 0
			})
			continue
		}
		w.until(fmt.Sprintf("%s to be served by %s", name, issuer), func() bool {
			shown, err := w.shown(name)
			return err == nil && (shown.Issuer.CommonName == "gate"+w.key) == (issuer == "gate")
		})
	}
}
