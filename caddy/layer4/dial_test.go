package layer4

import (
	"net/netip"
	"testing"

	"gatewright.dev/caddy/table"
)

func some(weights ...int) []candidate {
	var list []candidate
	for target, weight := range weights {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(target + 1)}), 80)
		list = append(list, candidate{at: at, known: &address{}, target: target, weight: weight})
	}
	return list
}

func TestInTurnFollowsWeights(t *testing.T) {
	first := make(map[int]int)
	for turn := range uint64(100) {
		list := some(9, 1)
		inTurn(list, turn)
		first[list[0].target]++
	}
	if first[0] != 90 || first[1] != 10 {
		t.Errorf("got %v", first)
	}
}

func TestInTurnGoesRoundTheAddressesOfATarget(t *testing.T) {
	first := make(map[netip.AddrPort]int)
	for turn := range uint64(40) {
		list := some(1, 1, 1)
		// Two addresses of one target, and one of another with the same weight.
		list[1].target = 0
		inTurn(list, turn)
		first[list[0].at]++
	}
	if len(first) != 3 {
		t.Errorf("got %v", first)
	}
}

func TestHashKeepsClientsWhenOthersCome(t *testing.T) {
	moved := 0
	for i := range 200 {
		client := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		before, after := some(1, 1, 1), some(1, 1, 1, 1)
		byHash(before, client)
		byHash(after, client)
		if before[0].at != after[0].at {
			moved++
		}
	}
	if moved == 0 || moved > 90 {
		t.Errorf("%d of 200 clients moved", moved)
	}
}

func TestFailingAfterFailures(t *testing.T) {
	s := &table.Stream{MaxFails: 2}
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
