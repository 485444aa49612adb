package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// externalTTL is how long an address from other DNS servers is used: the system's resolver does not tell the TTL.
const externalTTL = 10 * time.Second

// manyExternals is the number of resolvers from which idle ones are looked for.
const manyExternals = 64

// externals are the resolvers of names outside of the zone, by their servers. There are as many as rows name, and
// some that rows named before.
var externals struct {
	mu        sync.Mutex
	resolvers map[string]*Resolver
	swept     time.Time
}

// External finds addresses by the DNS servers (`ip:port`, joined by commas), or as the system does for "".
func External(servers string) *Resolver {
	externals.mu.Lock()
	defer externals.mu.Unlock()
	if r := externals.resolvers[servers]; r != nil {
		return r
	}
	if externals.resolvers == nil {
		externals.resolvers = make(map[string]*Resolver)
	}
	if now := time.Now(); len(externals.resolvers) >= manyExternals && now.Sub(externals.swept) > time.Minute {
		externals.swept = now
		for key, r := range externals.resolvers {
			if r.idle() {
				delete(externals.resolvers, key)
				// A caller that has just been given it can still ask.
				_ = r.Destruct()
			}
		}
	}
	r := newResolver("", "", externalTTL, time.Now)
	r.zone = ""
	r.external = lookupBy(servers)
	externals.resolvers[servers] = r
	return r
}

func lookupBy(servers string) func(context.Context, string) (answer, error) {
	resolver := &net.Resolver{PreferGo: true}
	if servers != "" {
		list := strings.Split(servers, ",")
		var turn atomic.Uint32
		dialer := net.Dialer{Timeout: 2 * time.Second}
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			// Each attempt asks the next server.
			return dialer.DialContext(ctx, network, list[int(turn.Add(1)-1)%len(list)])
		}
	}
	return func(ctx context.Context, name string) (answer, error) {
		addrs, err := resolver.LookupNetIP(ctx, "ip", name)
		var dnsError *net.DNSError
		if errors.As(err, &dnsError) && dnsError.IsNotFound {
			return answer{}, nil
		}
		if err != nil {
			return answer{}, err
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		// In one order, whatever the servers' is: balancing counts on it.
		slices.SortFunc(addrs, netip.Addr.Compare)
		return answer{addrs: addrs, ttl: externalTTL, exists: true}, nil
	}
}
