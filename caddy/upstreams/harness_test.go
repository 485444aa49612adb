package upstreams

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

// This file is the harness of the package's tests.

// stand is a row with targets, a resolver of a DNS server in this process, and a source.
type stand struct {
	t        testing.TB
	dns      *dnstest.Server
	resolver *resolver.Resolver
	source   *Source
	row      *table.Row
	table    *table.Table
	id       string
}

var standCount int

func newStand(t testing.TB, source *Source, given ...table.Target) *stand {
	t.Helper()
	standCount++
	s := &stand{t: t, dns: dnstest.Start(t), source: source, id: fmt.Sprint("stand/", standCount)}
	s.resolver = resolver.New(s.dns.Address, "test.internal", 0)
	t.Cleanup(func() { _ = s.resolver.Destruct() })
	(&targets.States{Reset: true}).Apply()
	t.Cleanup(func() {
		(&targets.States{Reset: true}).Apply()
		// Nor is any instance left that is to be woken.
		ended, end := context.WithCancel(context.Background())
		end()
		targets.Wakes(ended)
	})
	if err := source.provision(zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	s.targets(given...)
	return s
}

func (s *stand) targets(given ...table.Target) {
	s.t.Helper()
	rows := table.NewRows()
	rows.Add(&table.RowJSON{ID: s.id, Ingress: "i", Port: 80, Host: "a.test", Policy: "p", Targets: given})
	s.table = &table.Table{}
	if err := s.table.Replace("1", rows); err != nil {
		s.t.Fatal(err)
	}
	s.row, _, _ = s.table.Lookup(&table.Request{Port: 80, Host: "a.test", Path: "/", Method: "GET"})
}

func (s *stand) set(name string, addresses ...string) {
	s.dns.Set(name+".test.internal", dnstest.Record{Addresses: addresses, TTL: time.Minute})
	addrs := make([]netip.Addr, len(addresses))
	for i, text := range addresses {
		addrs[i] = netip.MustParseAddr(text)
	}
	s.resolver.Push(name, addrs)
}

// request is one of Caddy's for the row.
func (s *stand) request(edit func(*http.Request)) (*Request, *http.Request) {
	r := httptest.NewRequest("GET", "http://a.test/", nil)
	if edit != nil {
		edit(r)
	}
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1"})
	r = r.WithContext(context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer()))
	guard := &resolver.Guard{AllowLoopback: true}
	if err := guard.Provision(); err != nil {
		s.t.Fatal(err)
	}
	q := &Request{Resolver: s.resolver, Guard: guard}
	q.Row, q.Host = s.row, "a.test"
	q.Attach(r)
	return q, r
}

// dial is where a new request goes; "" when nowhere.
func (s *stand) dial(edit func(*http.Request)) string {
	s.t.Helper()
	q, r := s.request(edit)
	defer q.Done(false)
	return s.ask(r)
}

func (s *stand) ask(r *http.Request) string {
	s.t.Helper()
	list, err := s.source.GetUpstreams(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list) == 0 {
		return ""
	}
	return list[0].Dial
}

func (s *stand) tally(n int) map[string]int {
	counts := make(map[string]int)
	for range n {
		counts[s.dial(nil)]++
	}
	return counts
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func weight(n int) *int { return &n }

func service(name string) table.Target { return table.Target{Service: name, Port: 80} }

func expectCounts(t *testing.T, got, want map[string]int) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
