package targets

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// rowOf is a row with the targets.
func rowOf(t *testing.T, targets ...table.Target) *table.Row {
	t.Helper()
	for i := range targets {
		targets[i].Port = 80
	}
	rows := table.NewRows()
	rows.Add(&table.RowJSON{ID: "r/0", Port: 80, Host: "a.test", Policy: "p", Targets: targets})
	var hosts table.Table
	if err := hosts.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	row, _, _ := hosts.Lookup(&table.Request{Port: 80, Host: "a.test", Path: "/"})
	return row
}

// at is an address 10.0.0.x that is a target.
func at(last int, edit ...func(*table.Target)) table.Target {
	target := table.Target{Address: fmt.Sprint("10.0.0.", last)}
	for _, change := range edit {
		change(&target)
	}
	return target
}

func weighing(weight int) func(*table.Target) {
	return func(t *table.Target) { t.Weight = &weight }
}

func drained(t *table.Target) { t.Mode = "drain" }

func paused(ms int64) func(*table.Target) {
	return func(t *table.Target) { t.Mode, t.PauseMS = "pause", ms }
}

// dials are the last bytes of the addresses that were found.
func dials(f *Field) (found []string) {
	for _, one := range f.List {
		found = append(found, strings.TrimSuffix(one.Dial[strings.LastIndexByte(one.Dial, '.')+1:], ":80"))
	}
	return found
}

func TestWhichAddressesAreFound(t *testing.T) {
	passive := &Passive{MaxFails: 1, FailDuration: caddy.Duration(time.Minute)}
	failed := new(Pool)
	failed.Fail("10.0.0.1:80", "", passive)
	guard := &resolver.Guard{Deny: []string{"10.0.0.9/32"}}
	if err := guard.Provision(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		search  Search
		targets []table.Target
		found   []string
		err     error
		pause   time.Duration
		check   func(f *Field) bool
	}{
		"all":               {targets: []table.Target{at(1), at(2)}, found: []string{"1", "2"}, err: errNoTargets},
		"with a weight":     {targets: []table.Target{at(1), at(2, weighing(0)), at(3, weighing(1))}, found: []string{"1", "3"}, err: errNoTargets},
		"not drained":       {targets: []table.Target{at(1, drained), at(2)}, found: []string{"2"}, err: ErrDrained},
		"not paused":        {targets: []table.Target{at(1, paused(50)), at(2, paused(70)), at(3, paused(60)), at(4)}, found: []string{"4"}, err: ErrPaused, pause: 70 * time.Millisecond},
		"drained, paused":   {targets: []table.Target{at(1, drained), at(2, paused(50))}, err: ErrPaused, pause: 50 * time.Millisecond},
		"paused, drained":   {targets: []table.Target{at(1, paused(50)), at(2, drained)}, err: ErrPaused, pause: 50 * time.Millisecond},
		"none":              {err: errNoTargets},
		"refused":           {targets: []table.Target{at(9)}, err: errRefused, check: func(f *Field) bool { return f.OnlyRefused() && f.Refused[0].Dial == "10.0.0.9:80" }},
		"refused, drained":  {targets: []table.Target{at(9), at(1, drained)}, err: ErrDrained, check: func(f *Field) bool { return !f.OnlyRefused() && len(f.Refused) == 1 }},
		"some refused":      {targets: []table.Target{at(9), at(1)}, found: []string{"1"}, err: errRefused},
		"tried":             {search: Search{Tried: []string{"10.0.0.2:80"}}, targets: []table.Target{at(1), at(2)}, found: []string{"1"}, err: resolver.ErrNoAnswer, check: func(f *Field) bool { return f.Tried }},
		"all tried":         {search: Search{Tried: []string{"10.0.0.2:80", "10.0.0.1:80"}}, targets: []table.Target{at(1), at(2)}, err: resolver.ErrNoAnswer, check: func(f *Field) bool { return f.Tried && !f.Failing }},
		"failed of late":    {search: Search{Passive: passive, Pool: failed}, targets: []table.Target{at(1), at(2)}, found: []string{"2"}, err: ErrEjected, check: func(f *Field) bool { return f.Failing && !f.Tried && f.Back.After(time.Now()) }},
		"failed and tried":  {search: Search{Passive: passive, Pool: failed, Tried: []string{"10.0.0.1:80"}}, targets: []table.Target{at(1)}, err: ErrEjected, check: func(f *Field) bool { return !f.Failing && f.Tried }},
		"failed, drained":   {search: Search{Passive: passive, Pool: failed}, targets: []table.Target{at(2, drained), at(1)}, err: ErrDrained, check: func(f *Field) bool { return f.Failing }},
		"failed, unchecked": {search: Search{Pool: failed}, targets: []table.Target{at(1)}, found: []string{"1"}, err: errNoTargets, check: func(f *Field) bool { return !f.Failing && f.Back.IsZero() }},
	} {
		c.search.Row, c.search.Guard = rowOf(t, c.targets...), guard
		var f Field
		f.Find(t.Context(), &c.search)
		if !slices.Equal(dials(&f), c.found) || !errors.Is(f.Err(), c.err) || f.Pause != c.pause || c.check != nil && !c.check(&f) {
			t.Errorf("%s: %v, pause %v, refused %v, tried %v, failing %v: %v", name, dials(&f), f.Pause, f.Refused, f.Tried, f.Failing, f.Err())
		}
	}
}

// The first of the addresses that are left out is the one that is waited for.
func TestWhenTheFirstIsBack(t *testing.T) {
	passive := &Passive{MaxFails: 1, FailDuration: caddy.Duration(time.Minute)}
	for _, order := range [][]string{{"10.0.0.1:80", "10.0.0.2:80"}, {"10.0.0.2:80", "10.0.0.1:80"}} {
		pool := new(Pool)
		for _, dial := range order {
			pool.Fail(dial, "", passive)
		}
		var f Field
		f.Find(t.Context(), &Search{Row: rowOf(t, at(1), at(2)), Guard: &resolver.Guard{}, Passive: passive, Pool: pool})
		if want := pool.failing(order[0], passive, time.Now()); f.Back != want {
			t.Errorf("%v: back at %v, want %v", order, f.Back, want)
		}
	}
}

// Groups are the targets that have addresses, with their weights.
func TestGroupsOfAddresses(t *testing.T) {
	names := resolver.New("127.0.0.1:1", "", time.Hour)
	t.Cleanup(func() { _ = names.Destruct() })
	names.Push("web.svc", []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")})
	names.Push("vm", []netip.Addr{netip.MustParseAddr("10.0.0.4")})
	row := rowOf(t, at(1, drained), table.Target{Service: "Web", Weight: new(int)}, table.Target{Service: "web"}, at(5, weighing(7)), table.Target{Instance: "VM"})
	var f Field
	f.Find(t.Context(), &Search{Row: row, Guard: &resolver.Guard{}, Resolver: names})
	if got := fmt.Sprint(dials(&f), f.groups); got != "[2 3 5 4] [{0 2 2 1} {2 3 3 7} {3 4 4 1}]" {
		t.Error(got)
	}
	for i, want := range []struct{ identity, target string }{
		{"10.0.0.2:80", "web.svc"}, {"10.0.0.3:80", "web.svc"}, {"10.0.0.5:80", "10.0.0.5:80"}, {"vm", "vm"},
	} {
		if got := f.Identity(i); got != want.identity || f.target(int(f.List[i].group)) != want.target {
			t.Errorf("%d: %s of %s", i, got, f.target(int(f.List[i].group)))
		}
	}
	// An address that is none of the target's any more has left; a DNS that fails moves nothing.
	origin := f.Origin(0)
	if origin.Left(t.Context(), "10.0.0.2:80", nil) || !origin.Left(t.Context(), "10.0.0.4:80", nil) {
		t.Error("who has left is told wrongly")
	}
	names.Push("web.svc", nil)
	if origin.Left(t.Context(), "10.0.0.2:80", nil) {
		t.Error("a service without an address has moved one")
	}
}

// What the manager says of instances holds for them as targets, and as parts of a service.
func TestInstancesThatTakeNothing(t *testing.T) {
	names := resolver.New("127.0.0.1:1", "", time.Hour)
	t.Cleanup(func() {
		_ = names.Destruct()
		(&States{Reset: true}).Apply()
	})
	names.Push("web.svc", []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")})
	names.Push("one", []netip.Addr{netip.MustParseAddr("10.0.0.1")})
	names.Push("two", []netip.Addr{netip.MustParseAddr("10.0.0.2")})
	(&States{Reset: true, Instances: map[string]InstanceState{
		"One": {Mode: "drain", Service: "WEB", Addresses: []string{"::ffff:10.0.0.1"}},
		"two": {Mode: "pause", PauseMS: 80, Service: "web", Addresses: []string{"10.0.0.2"}},
		// Parts of no service.
		"x": {Mode: "drain"}, "y": {Mode: "drain"}, "z": {Mode: "drain"},
	}}).Apply()
	for name, c := range map[string]struct {
		target table.Target
		found  []string
		err    error
		pause  time.Duration
	}{
		"a service":           {table.Target{Service: "web"}, []string{"3"}, ErrPaused, 80 * time.Millisecond},
		"one that is drained": {table.Target{Instance: "one"}, nil, ErrDrained, 0},
		"one that is paused":  {table.Target{Instance: "two"}, nil, ErrPaused, 80 * time.Millisecond},
		"an address":          {at(1), []string{"1"}, errNoTargets, 0},
	} {
		var f Field
		f.Find(t.Context(), &Search{Row: rowOf(t, c.target), Guard: &resolver.Guard{}, Resolver: names})
		if !slices.Equal(dials(&f), c.found) || !errors.Is(f.Err(), c.err) || f.Pause != c.pause {
			t.Errorf("%s: %v, pause %v: %v", name, dials(&f), f.Pause, f.Err())
		}
	}
}

// Health counts where it is asked for: who fails takes nothing, and who was not checked yet waits for its first check.
func TestHealthOfAddresses(t *testing.T) {
	forget(t)
	tell := func(state RuleState) { (&States{Reset: true, Rules: map[string]RuleState{"r/0": state}}).Apply() }
	row := rowOf(t, at(1), at(2))
	var f Field
	find := func(what string, health bool, err error, want ...string) {
		t.Helper()
		f.Find(t.Context(), &Search{Row: row, Guard: &resolver.Guard{}, Health: health})
		if !slices.Equal(dials(&f), want) || !errors.Is(f.Err(), err) || f.OnlyRefused() {
			t.Errorf("%s: %v, %v", what, dials(&f), f.Err())
		}
	}
	tell(RuleState{Unhealthy: []string{"10.0.0.1:80"}})
	find("unhealthy", true, ErrUnhealthy, "2")
	find("without checks", false, errNoTargets, "1", "2")
	tell(RuleState{Unhealthy: []string{"10.0.0.1:80", "10.0.0.2:80"}})
	find("all unhealthy", true, ErrUnhealthy)
	if !f.Unchecked.IsZero() {
		t.Error("checks that were made are waited for")
	}
	forget(t)
	tell(RuleState{Healthy: []string{}, WaitMS: 60_000})
	find("unchecked", true, ErrUnchecked)
	if left := time.Until(f.Unchecked); left <= 0 || left > time.Minute {
		t.Errorf("the first check is waited for %v", left)
	}
	(&States{Rules: map[string]RuleState{"r/0": {Healthy: []string{"10.0.0.1:80"}}}}).Apply()
	find("one is checked", true, ErrUnchecked, "1")
	forget(t)
	tell(RuleState{Healthy: []string{}})
	find("after the wait", true, errNoTargets, "1", "2")
}

// An address is looked for of one target alone, too, and again where those known are held for wrong.
func TestAddressesOfOneTarget(t *testing.T) {
	dns := dnstest.Start(t)
	names := resolver.New(dns.Address, "", time.Hour)
	t.Cleanup(func() { _ = names.Destruct() })
	dns.Set("web", dnstest.Record{Addresses: []string{"10.0.0.1"}})
	var f Field
	f.FindOne(t.Context(), &resolver.Guard{}, OriginOf(names, "web", 80))
	if !slices.Equal(dials(&f), []string{"1"}) {
		t.Errorf("%v, %v", dials(&f), f.Err())
	}
	dns.Set("web", dnstest.Record{Addresses: []string{"10.0.0.2"}})
	find := func(again bool) []string {
		f.Find(t.Context(), &Search{Row: rowOf(t, table.Target{Instance: "web"}), Guard: &resolver.Guard{}, Resolver: names, Again: again})
		return dials(&f)
	}
	if known, asked := find(false), find(true); !slices.Equal(known, []string{"1"}) || !slices.Equal(asked, []string{"2"}) {
		t.Errorf("known %v, asked again %v", known, asked)
	}
	dns.Set("web", dnstest.Record{Addresses: []string{"10.0.0.3"}})
	origin := f.Origin(0)
	if origin.Again(t.Context(), nil); !slices.Equal(find(false), []string{"3"}) {
		t.Errorf("after a failure %v", dials(&f))
	}
	literal := Literal(netip.MustParseAddrPort("10.0.0.4:80"))
	literal.Again(t.Context(), nil)
	dns.Set("outside.test", dnstest.Record{Addresses: []string{"10.0.0.5"}})
	row := rowOf(t, table.Target{Address: "outside.test", Resolvers: []string{dns.Address}}, table.Target{Service: "none"})
	f.Find(t.Context(), &Search{Row: row, Guard: &resolver.Guard{}, Resolver: names})
	if !slices.Equal(dials(&f), []string{"5"}) || f.Identity(0) != "10.0.0.5:80" || len(f.groups) != 1 || !errors.Is(f.Err(), resolver.ErrNoAddress) {
		t.Errorf("%v, %v: %v", dials(&f), f.groups, f.Err())
	}
}

func TestWhichIsChosen(t *testing.T) {
	busy := new(Pool)
	busy.Enter("10.0.0.1:80", 0)
	for _, c := range []struct {
		field       *Field
		policy, key string
		want        string
	}{
		{fieldOf(1, 1), "first", "x", "[0 0 0 0]"},
		{fieldOf(1), "round_robin", "x", "[0 0 0 0]"},
		{fieldOf(1, 1), "round_robin", "", "[0 1 0 1]"},
		{fieldOf(1, 1), "ip_hash", "", "[0 1 0 1]"},
		{fieldOf(1, 1), "least_conn", "", "[1 1 1 1]"},
	} {
		pool := &Pool{addresses: busy.addresses}
		got := []int{}
		for range 4 {
			got = append(got, c.field.Choose(c.policy, c.key, pool))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s, key %q: %v, want %s", c.policy, c.key, got, c.want)
		}
	}
	seen := map[int]bool{}
	for range 200 {
		seen[fieldOf(1, 1).Choose("random", "x", nil)] = true
	}
	if len(seen) != 2 {
		t.Errorf("at random: %v", seen)
	}
}

func TestPassiveChecksAreChecked(t *testing.T) {
	for _, wrong := range []Passive{{MaxFails: -1}, {FailDuration: -1}} {
		if wrong.Provision() == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
	given := Passive{MaxFails: 3, FailDuration: 1}
	if err := given.Provision(); err != nil || given != (Passive{MaxFails: 3, FailDuration: 1}) {
		t.Errorf("%+v, %v", given, err)
	}
}

// Failures that are long past count no more, and who has more than enough has the newest counted.
func TestFailuresPass(t *testing.T) {
	passive := &Passive{MaxFails: 2, FailDuration: caddy.Duration(time.Minute)}
	now := time.Now()
	for name, c := range map[string]struct {
		ages []time.Duration
		left time.Duration
	}{
		"one":           {[]time.Duration{0}, 0},
		"two":           {[]time.Duration{30 * time.Second, 10 * time.Second}, 30 * time.Second},
		"two, one past": {[]time.Duration{60 * time.Second, 10 * time.Second}, 0},
		"three":         {[]time.Duration{50 * time.Second, 20 * time.Second, 10 * time.Second}, 40 * time.Second},
		"none":          {nil, 0},
	} {
		known := &Address{}
		for _, age := range c.ages {
			known.failures = append(known.failures, now.Add(-age))
		}
		p := Pool{addresses: map[string]*Address{"a": known}}
		got := p.failing("a", passive, now)
		if c.left == 0 != got.IsZero() || c.left > 0 && got.Sub(now) != c.left {
			t.Errorf("%s: failing until %v", name, got)
		}
	}
	var p Pool
	for range 10 {
		p.Fail("a", "why", passive)
	}
	if known := p.Addresses()["a"]; len(known.failures) != 2 || known.LastError != "why" || known.TriedAt.IsZero() {
		t.Errorf("%+v", known)
	}
	if !p.Idle() || !p.Enter("a", 1) || p.Idle() {
		t.Error("what runs is told wrongly")
	}
	if p.Leave("a"); len(p.Addresses()) != 1 {
		t.Error("failures are forgotten with the last that runs")
	}
	if p.Succeed("a"); !p.Idle() || p.Addresses()["a"].LastError != "" {
		t.Errorf("after a success %+v", p.Addresses())
	}
}
