package targets

import (
	"fmt"
	"testing"
	"time"
)

func TestFailingAfterFailures(t *testing.T) {
	var p Pool
	passive := &Passive{MaxFails: 2}
	if err := passive.Provision(); err != nil {
		t.Fatal(err)
	}
	failing := func() bool { return !p.failing("a", passive, time.Now()).IsZero() }
	if p.Fail("a", "", passive) || failing() {
		t.Error("failing after one of two failures")
	}
	if !p.Fail("a", "", passive) || !failing() {
		t.Error("not failing after two failures")
	}
	if p.Fail("a", "", passive) || !failing() {
		t.Error("a third failure changes something")
	}
	if p.Succeed("a"); failing() {
		t.Error("failing after a success")
	}
}

// The default that the API names, for HTTP and layer 4 alike.
func TestFailuresCountForHalfAMinuteByDefault(t *testing.T) {
	passive := &Passive{}
	if err := passive.Provision(); err != nil {
		t.Fatal(err)
	}
	var p Pool
	p.Fail("a", "", passive)
	for age, want := range map[time.Duration]bool{25 * time.Second: true, 35 * time.Second: false} {
		if got := !p.failing("a", passive, time.Now().Add(age)).IsZero(); got != want {
			t.Errorf("a failure %v ago: failing %v, want %v", age, got, want)
		}
	}
}

func TestLimitOfConnections(t *testing.T) {
	var p Pool
	if !p.Enter("a", 1) || p.Enter("a", 1) {
		t.Error("the limit of one was not kept")
	}
	if !p.Enter("a", 0) {
		t.Error("no limit refused a connection")
	}
}

func TestAddressesAreForgotten(t *testing.T) {
	var p Pool
	p.Enter("passing", 0)
	if p.Leave("passing"); len(p.Addresses()) != 0 {
		t.Errorf("of an address without anything %v is kept", p.Addresses())
	}
	p.Enter("busy", 0)
	for i := range maxAddresses + 10 {
		p.Succeed(fmt.Sprint(i))
	}
	if all := p.Addresses(); len(all) != maxAddresses || all["busy"].Active != 1 {
		t.Errorf("%d are kept, %d of them busy", len(all), all["busy"].Active)
	}
}
