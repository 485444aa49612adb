package layer4

import (
	"testing"
	"time"

	"gatewright.dev/caddy/table"
)

func TestFailingAfterFailures(t *testing.T) {
	s := &table.Layer4{MaxFails: 2}
	a := &address{}
	a.fail(errNoAddress, s)
	if a.failing(s) {
		t.Error("failing after one of two failures")
	}
	a.fail(errNoAddress, s)
	if !a.failing(s) {
		t.Error("not failing after two failures")
	}
	a.succeed()
	if a.failing(s) {
		t.Error("failing after a success")
	}
}

// The default that the API names, for HTTP and layer 4 alike.
func TestFailuresCountForHalfAMinuteByDefault(t *testing.T) {
	s := &table.Layer4{}
	for age, want := range map[time.Duration]bool{25 * time.Second: true, 35 * time.Second: false} {
		a := &address{fails: []time.Time{time.Now().Add(-age)}}
		if got := a.failing(s); got != want {
			t.Errorf("a failure %v ago: failing %v, want %v", age, got, want)
		}
	}
}

func TestLimitOfConnections(t *testing.T) {
	a := &address{}
	if !a.enter(1) || a.enter(1) {
		t.Error("the limit of one was not kept")
	}
	if !a.enter(0) {
		t.Error("no limit refused a connection")
	}
}
