package layer4

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/table"
)

// some are candidates of as many services as there are weights, with one address each.
func some(weights ...int) []candidate {
	var list []candidate
	for target, weight := range weights {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(target + 1)}), 80)
		list = append(list, candidate{at: at, item: &address{}, target: target, weight: weight, name: fmt.Sprint(target), id: at.String()})
	}
	return list
}

// oneTarget makes the candidates addresses of one target.
func oneTarget(list []candidate) []candidate {
	for i := range list {
		list[i].target, list[i].name = 0, "web.svc"
	}
	return list
}

func TestTurnsFollowWeights(t *testing.T) {
	var turns balance.Turns
	first := make(map[int]int)
	for range 100 {
		list := some(9, 1)
		first[list[choose(&table.Layer4{}, &turns, list, "")].target]++
	}
	if first[0] != 90 || first[1] != 10 {
		t.Errorf("got %v", first)
	}
}

func TestTurnsGoRoundTheAddressesOfATarget(t *testing.T) {
	var turns balance.Turns
	first := make(map[netip.AddrPort]int)
	for range 40 {
		// Two addresses of one target, and one of another with the same weight.
		list := some(1, 1, 1)
		list[1].target = 0
		first[list[choose(&table.Layer4{}, &turns, list, "")].at]++
	}
	if fmt.Sprint(first) != "map[10.0.0.1:80:10 10.0.0.2:80:10 10.0.0.3:80:20]" {
		t.Errorf("got %v", first)
	}
}

// D8: one of 8 addresses had 39 % of the clients, since FNV alone spreads the last bytes badly.
func TestHashSpreadsClientsEvenly(t *testing.T) {
	const clients = 60_000
	next, apart, six := oneTarget(some(1, 1, 1, 1, 1, 1, 1, 1)), oneTarget(some(1, 1, 1, 1, 1, 1, 1, 1)), oneTarget(some(1, 1, 1, 1, 1, 1, 1, 1))
	for i := range apart {
		apart[i].at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(30 * i), 7, 1}), 443)
		six[i].at = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(i)}), 443)
		apart[i].id, six[i].id = apart[i].at.String(), six[i].at.String()
	}
	for what, list := range map[string][]candidate{
		"targets": some(1, 1, 1, 1, 1, 1, 1, 1), "heavier targets": some(2, 2, 2, 2, 2, 2, 2, 2),
		"addresses next to each other": next, "addresses far apart": apart, "addresses of IPv6": six,
	} {
		counts := make(map[netip.AddrPort]int)
		for i := range clients {
			client := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
			counts[list[choose(&table.Layer4{Policy: "ip_hash"}, nil, list, client.String())].at]++
		}
		for at, count := range counts {
			if share := float64(count) / clients; share < 0.115 || share > 0.135 {
				t.Errorf("%s: %s has %.1f %% of the clients", what, at, 100*share)
			}
		}
	}
}

func TestHashKeepsClientsWhenOthersCome(t *testing.T) {
	s := &table.Layer4{Policy: "ip_hash"}
	moved := 0
	for i := range 200 {
		client := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()
		before, after := some(1, 1, 1), some(1, 1, 1, 1)
		if before[choose(s, nil, before, client)].at != after[choose(s, nil, after, client)].at {
			moved++
		}
	}
	if moved == 0 || moved > 90 {
		t.Errorf("%d of 200 clients moved", moved)
	}
}

func TestLeastConnectionsGoFirst(t *testing.T) {
	list := some(1, 1, 2)
	for i, active := range []int64{3, 2, 3} {
		list[i].item.active.Store(active)
	}
	// The third has the same number for twice the weight.
	if at := choose(&table.Layer4{Policy: "least_conn"}, &balance.Turns{}, list, ""); at != 2 {
		t.Errorf("got %d", at)
	}
}

func TestEachIsTriedOnceAndWhatFailedLast(t *testing.T) {
	for _, policy := range []string{"", "first", "random", "least_conn", "ip_hash"} {
		rows := table.NewRows(nil)
		targets := []table.Target{{Service: "web", Port: 80}}
		rows.Add(&table.RowJSON{ID: "s/0", Ingress: "s", Port: 5000, Layer4: &table.Layer4{Protocol: "tcp", Policy: policy}, Targets: targets})
		var hosts table.Table
		if err := hosts.Replace("1", rows); err != nil {
			t.Fatal(err)
		}
		found := some(3, 1, 1, 1)
		found[1].target = 0
		found[0].failing, found[2].failing = true, true
		p := &dialer{row: hosts.LookupPort("tcp", 5000, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000}), rule: ruleOf("s/0")}
		var order []string
		for c := range p.order(found, "192.0.2.1") {
			order = append(order, c.id)
		}
		well, failing := order[:2], order[2:]
		slices.Sort(well)
		slices.Sort(failing)
		if fmt.Sprint(well, failing) != "[10.0.0.2:80 10.0.0.4:80] [10.0.0.1:80 10.0.0.3:80]" {
			t.Errorf("%s: %v", policy, order)
		}
	}
}
