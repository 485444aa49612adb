package layer4

import (
	"testing"

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

func TestLimitOfConnections(t *testing.T) {
	a := &address{}
	if !a.enter(1) || a.enter(1) {
		t.Error("the limit of one was not kept")
	}
	if !a.enter(0) {
		t.Error("no limit refused a connection")
	}
}
