package targets

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/resolver"
)

// fieldOf has addresses of targets with the weights, one of each.
func fieldOf(weights ...int) *Field {
	f := &Field{}
	for i, weight := range weights {
		f.List = append(f.List, Candidate{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 80).String(), int32(i)})
		f.groups = append(f.groups, balance.Group{From: i, To: i + 1, Target: i, Weight: weight})
		f.origins = append(f.origins, Origin{name: fmt.Sprint(i)})
	}
	return f
}

// serviceAt has the addresses of one service.
func serviceAt(dials ...string) *Field {
	f := &Field{groups: []balance.Group{{To: len(dials), Weight: 1}}, origins: []Origin{{name: "web.svc"}}}
	for _, dial := range dials {
		f.List = append(f.List, Candidate{Dial: dial})
	}
	return f
}

func TestTurnsFollowWeights(t *testing.T) {
	var pool Pool
	first := make(map[int]int)
	for range 100 {
		first[fieldOf(9, 1).Choose("", "", &pool)]++
	}
	if first[0] != 90 || first[1] != 10 {
		t.Errorf("got %v", first)
	}
}

func TestTurnsGoRoundTheAddressesOfATarget(t *testing.T) {
	var pool Pool
	first := make(map[string]int)
	for range 40 {
		// Two addresses of one target, and one of another with the same weight.
		f := fieldOf(1, 1, 1)
		f.groups = []balance.Group{{From: 0, To: 2, Target: 0, Weight: 1}, {From: 2, To: 3, Target: 2, Weight: 1}}
		first[f.List[f.Choose("round_robin", "", &pool)].Dial]++
	}
	if fmt.Sprint(first) != "map[10.0.0.1:80:10 10.0.0.2:80:10 10.0.0.3:80:20]" {
		t.Errorf("got %v", first)
	}
}

// D8: one of 8 addresses had 39 % of the clients, since FNV alone spreads the last bytes badly.
func TestHashSpreadsClientsEvenly(t *testing.T) {
	const clients = 60_000
	var next, apart, six []string
	for i := range 8 {
		next = append(next, fmt.Sprintf("10.0.0.%d:80", i+1))
		apart = append(apart, fmt.Sprintf("10.%d.7.1:443", 30*i))
		six = append(six, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0xfd, 15: byte(i)}), 443).String())
	}
	for what, f := range map[string]*Field{
		"targets": fieldOf(1, 1, 1, 1, 1, 1, 1, 1), "heavier targets": fieldOf(2, 2, 2, 2, 2, 2, 2, 2),
		"addresses next to each other": serviceAt(next...), "addresses far apart": serviceAt(apart...), "addresses of IPv6": serviceAt(six...),
	} {
		counts := make(map[int]int)
		for i := range clients {
			client := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
			counts[f.Choose("ip_hash", client.String(), nil)]++
		}
		for at, count := range counts {
			if share := float64(count) / clients; share < 0.115 || share > 0.135 {
				t.Errorf("%s: %s has %.1f %% of the clients", what, f.List[at].Dial, 100*share)
			}
		}
	}
}

func TestHashKeepsClientsWhenOthersCome(t *testing.T) {
	moved := 0
	for i := range 200 {
		client := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()
		if fieldOf(1, 1, 1).Choose("ip_hash", client, nil) != fieldOf(1, 1, 1, 1).Choose("ip_hash", client, nil) {
			moved++
		}
	}
	if moved == 0 || moved > 90 {
		t.Errorf("%d of 200 clients moved", moved)
	}
}

func TestLeastConnectionsGoFirst(t *testing.T) {
	var pool Pool
	f := fieldOf(1, 1, 2)
	for i, active := range []int{3, 2, 3} {
		for range active {
			pool.Enter(f.List[i].Dial, 0)
		}
	}
	// The third has the same number for twice the weight.
	if at := f.Choose("least_conn", "", &pool); at != 2 {
		t.Errorf("got %d", at)
	}
}

// C8: unknown addresses take nothing beside one that is healthy; where all are unknown they may be waited for, and take all
// in the end. Those of captures are never checked.
func TestUnknownAddressesComeAfterHealthyOnes(t *testing.T) {
	find := func(h *health, captured bool) *Field {
		f := &Field{}
		s := &Search{Guard: &resolver.Guard{}, health: h, now: time.Now()}
		for _, dial := range []string{"10.0.0.1:80", "10.0.0.2:80"} {
			at := netip.MustParseAddrPort(dial)
			from := Literal(at)
			from.checked = !captured
			f.add(t.Context(), s, &from)
		}
		return f
	}
	soon := time.Now().Add(time.Minute)
	one := map[string]struct{}{"10.0.0.1:80": {}}
	if f := find(&health{healthy: one, until: soon}, false); len(f.List) != 1 || f.List[0].Dial != "10.0.0.1:80" {
		t.Errorf("beside a healthy one: %v", f.List)
	}
	if f := find(&health{healthy: map[string]struct{}{}, until: soon}, false); len(f.List) != 0 || f.Unchecked != soon || !errors.Is(f.Err(), ErrUnchecked) {
		t.Errorf("all unknown: %v, until %v: %v", f.List, f.Unchecked, f.Err())
	}
	if f := find(&health{healthy: map[string]struct{}{}, until: soon}, true); len(f.List) != 2 {
		t.Errorf("of captures: %v", f.List)
	}
}
