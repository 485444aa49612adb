package upstreams

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/resolver"
)

// policy is how one of several addresses is chosen.
type policy uint8

const (
	roundRobin policy = iota
	leastConn
	random
	byIP
	byHeader
	byURI
	byCookie
	first
)

var policies = map[string]policy{
	"": roundRobin, "round_robin": roundRobin, "least_conn": leastConn, "random": random, "ip_hash": byIP,
	"header": byHeader, "uri_hash": byURI, "cookie": byCookie, "first": first,
}

// candidate is an address that may take the request, as ip:port. Those of a target are next to each other.
type candidate struct {
	dial  string
	group int32
}

// origin is where the addresses of a target come from.
type origin struct {
	item     *resolver.Item // nil for an address that needs no DNS
	resolver *resolver.Resolver
	name     string
	// instance tells that the target is one, which may move.
	instance bool
	port     uint16
}

// field is what may take the request: addresses, those of a target next to each other, and the targets.
type field struct {
	list    []candidate
	groups  []balance.Group
	origins []origin // by group
}

// address is what clients are kept at: of an instance its name, so that it keeps them when it moves.
func (f *field) address(i int) string {
	if from := &f.origins[f.list[i].group]; from.instance {
		return from.name
	}
	return f.list[i].dial
}

// target stands for a group.
func (f *field) target(g int) string {
	if name := f.origins[g].name; name != "" {
		return name
	}
	return f.list[f.groups[g].From].dial
}

// choice is what a choice depends on beside the candidates.
type choice struct {
	source  *Source
	request *http.Request
	row     string
	pool    *pool
}

// choose returns the index of a candidate, of which there is at least one, and for the policy "cookie" the token that
// the client is to be given; "" when it has it.
func (c *choice) choose(f *field) (index int, token string) {
	switch c.source.policy {
	case first:
		return 0, ""
	case random:
		return balance.Random(f.groups), ""
	case leastConn:
		return c.pool.least(f), ""
	case byIP:
		ip, _ := caddyhttp.GetVar(c.request.Context(), caddyhttp.ClientIPVarKey).(string)
		return f.byHash(ip), ""
	case byURI:
		return f.byHash(c.request.RequestURI), ""
	case byHeader:
		if value := c.headerValue(); value != "" {
			return f.byHash(value), ""
		}
	case byCookie:
		return c.byCookie(f)
	}
	return c.pool.turns.Next(f.groups), ""
}

func (f *field) byHash(key string) int { return balance.ByHash(key, f.groups, f.target, f.address) }

func (c *choice) headerValue() string {
	if c.source.Header == "Host" {
		return c.request.Host
	}
	if values := c.request.Header[c.source.Header]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (c *choice) byCookie(f *field) (int, string) {
	if cookie, err := c.request.Cookie(c.source.Cookie); err == nil && cookie.Value != "" {
		for i := range f.list {
			if c.token(f.address(i)) == cookie.Value {
				return i, ""
			}
		}
	}
	index := c.pool.turns.Next(f.groups)
	return index, c.token(f.address(index))
}

// token stands for an address in a cookie. The row's id, which clients never see, keeps them from finding the address
// by trying all there are; it is the same after a restart.
func (c *choice) token(identity string) string {
	sum := sha256.Sum256([]byte(c.row + "\x00" + identity))
	return hex.EncodeToString(sum[:10])
}
