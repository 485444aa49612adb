package certificates

import (
	"testing"

	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/table"
)

// idle is a name for which nothing is under way, and how often it was ended.
func idle(subject, issuer string, authority *Authority) (known *name, ended *int) {
	ended = new(int)
	done := make(chan struct{})
	close(done)
	return &name{
		ManagedName: table.ManagedName{Subject: subject, Issuer: issuer}, authority: authority, done: done,
		end: func() { *ended++ }, settle: func() {},
	}, ended
}

func TestARenewalIsThatOfANameWithAnAuthority(t *testing.T) {
	config := new(certmagic.Config)
	lost, _ := idle("lost.test", "gone", nil)
	kept, _ := idle("kept.test", "gate", &Authority{config: config})
	n := &names{bySubject: map[string]*name{"lost.test": lost, "kept.test": kept}}
	for _, c := range []struct {
		names []string
		found bool
	}{
		{[]string{"kept.test"}, true},
		{[]string{"nobody.test", "lost.test", "kept.test"}, true},
		{[]string{"nobody.test", "lost.test"}, false},
		{nil, false},
	} {
		found, err := n.configOf(certmagic.Certificate{Names: c.names})
		if c.found != (found == config) || c.found != (err == nil) {
			t.Errorf("%v: %v, %v", c.names, found, err)
		}
	}
}

func TestANameGoesOnceAndAsItIs(t *testing.T) {
	known, ended := idle("a.test", "gate", nil)
	n := &names{bySubject: map[string]*name{"a.test": known}}
	n.forget([]table.ManagedName{{Subject: "nobody.test", Issuer: "gate"}, {Subject: "a.test", Issuer: "internal"}})
	if *ended != 0 || known.left || n.bySubject["a.test"] != known {
		t.Fatal("a name of another issuer took this one with it")
	}
	// What is under way takes it out at its end, and is not ended twice.
	known.done = make(chan struct{})
	for range 2 {
		n.forget([]table.ManagedName{known.ManagedName})
	}
	if *ended != 1 || !known.left || n.bySubject["a.test"] != known {
		t.Fatalf("it was ended %d times, left: %v", *ended, known.left)
	}
	still, ended := idle("b.test", "gate", nil)
	n.bySubject["b.test"] = still
	n.forget([]table.ManagedName{{Subject: "nobody.test", Issuer: "gate"}, still.ManagedName})
	if *ended != 1 || n.bySubject["b.test"] != nil {
		t.Error("a name for which nothing is under way stays")
	}
}

func TestAConfigurationIsAdoptedByTheNamesItIsFor(t *testing.T) {
	before := &Authority{key: "same"}
	same, _ := idle("same.test", "gate", before)
	other, _ := idle("other.test", "elsewhere", before)
	left, _ := idle("left.test", "gate", nil)
	left.left = true
	n := &names{bySubject: map[string]*name{"same.test": same, "other.test": other, "left.test": left}}
	after := &Authority{key: "same"}
	n.adopt(&App{Authorities: map[string]*Authority{"gate": after}})
	if same.authority != after {
		t.Error("a name has not the authority of the newest configuration")
	}
	if other.authority != before || n.bySubject["other.test"] != other {
		t.Error("a name whose authority the configuration lacks does not go on")
	}
	if left.authority != nil || n.bySubject["left.test"] != left {
		t.Error("a name that has gone begins again")
	}
	n.adopt(nil)
	if same.authority != after || n.authority("gate") != nil {
		t.Error("without a configuration there is an authority")
	}
}
