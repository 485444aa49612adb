package upstreams

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

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

// group is a target, and where its candidates are in the list of all.
type group struct {
	from, to, target, weight int
	origin
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

// identity is what clients are kept at: of an instance its name, so that it keeps them when it moves.
func (c *candidate) identity(groups []group) string {
	if g := &groups[c.group]; g.instance {
		return g.name
	}
	return c.dial
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
func (c *choice) choose(list []candidate, groups []group) (index int, token string) {
	switch c.source.policy {
	case first:
		return 0, ""
	case random:
		g := groups[pickWeighted(groups)]
		return g.from + rand.IntN(g.to-g.from), ""
	case leastConn:
		return c.pool.least(list, groups), ""
	case byIP:
		ip, _ := caddyhttp.GetVar(c.request.Context(), caddyhttp.ClientIPVarKey).(string)
		return byHash(ip, list, groups), ""
	case byURI:
		return byHash(c.request.RequestURI, list, groups), ""
	case byHeader:
		if value := c.headerValue(); value != "" {
			return byHash(value, list, groups), ""
		}
	case byCookie:
		return c.byCookie(list, groups)
	}
	return c.pool.inTurn(groups), ""
}

func (c *choice) headerValue() string {
	if c.source.Header == "Host" {
		return c.request.Host
	}
	if values := c.request.Header[c.source.Header]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (c *choice) byCookie(list []candidate, groups []group) (int, string) {
	if cookie, err := c.request.Cookie(c.source.Cookie); err == nil && cookie.Value != "" {
		for i := range list {
			if c.token(list[i].identity(groups)) == cookie.Value {
				return i, ""
			}
		}
	}
	index := c.pool.inTurn(groups)
	return index, c.token(list[index].identity(groups))
}

// token stands for an address in a cookie. The row's id, which clients never see, keeps them from finding the address
// by trying all there are; it is the same after a restart.
func (c *choice) token(identity string) string {
	sum := sha256.Sum256([]byte(c.row + "\x00" + identity))
	return hex.EncodeToString(sum[:10])
}

func pickWeighted(groups []group) int {
	total := 0
	for i := range groups {
		total += groups[i].weight
	}
	at := rand.IntN(total)
	for i := range groups {
		if at -= groups[i].weight; at < 0 {
			return i
		}
	}
	return 0
}

// inTurn chooses the target by smooth weighted round robin (as nginx does), so that turns of a light target are spread
// evenly, and in the target the next address.
func (p *pool) inTurn(groups []group) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := &groups[0]
	if len(groups) > 1 {
		g = p.nextGroup(groups)
	}
	for len(p.turns) <= g.target {
		p.turns = append(p.turns, 0)
	}
	turn := p.turns[g.target]
	p.turns[g.target]++
	return g.from + int(turn%uint32(g.to-g.from))
}

func (p *pool) nextGroup(groups []group) *group {
	for len(p.credits) <= groups[len(groups)-1].target {
		p.credits = append(p.credits, 0)
	}
	total := 0
	best := &groups[0]
	for i := range groups {
		g := &groups[i]
		total += g.weight
		p.credits[g.target] += g.weight
		if p.credits[g.target] > p.credits[best.target] {
			best = g
		}
	}
	p.credits[best.target] -= total
	// A target that was away for long comes back with no more than its share.
	for i := range groups {
		t := groups[i].target
		p.credits[t] = max(-total, min(total, p.credits[t]))
	}
	return best
}

// least chooses the address with the fewest requests for its part of the target's weight; of equals the next in turn.
func (p *pool) least(list []candidate, groups []group) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.turns) == 0 {
		p.turns = append(p.turns, 0)
	}
	start := int(p.turns[0] % uint32(len(list)))
	p.turns[0]++
	best, bestLoad := -1, 0.0
	for j := range groups {
		g := &groups[j]
		share := float64(g.weight) / float64(g.to-g.from)
		for i := g.from; i < g.to; i++ {
			load := float64(p.inflight[list[i].dial]+1) / share
			if best < 0 || load < bestLoad || load == bestLoad && after(i, best, start, len(list)) {
				best, bestLoad = i, load
			}
		}
	}
	p.acquire(list[best].dial)
	return best
}

// after tells whether i comes before j when counting begins at start.
func after(i, j, start, n int) bool { return (i-start+n)%n < (j-start+n)%n }

// byHash chooses by weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by Schindelhauer and Schomaker
// 2005): when a target or an address comes or goes, only its own keys move.
func byHash(key string, list []candidate, groups []group) int {
	seed := hash64(14695981039346656037, key)
	g, best := groups[0], math.Inf(-1)
	if len(groups) > 1 {
		for i := range groups {
			h := mix(hash64(seed, groups[i].identity(list)))
			unit := (float64(h>>11) + 0.5) / (1 << 53)
			if score := -float64(groups[i].weight) / math.Log(unit); score > best {
				g, best = groups[i], score
			}
		}
	}
	index, highest := g.from, uint64(0)
	for i := g.from; i < g.to; i++ {
		if h := mix(hash64(seed, list[i].identity(groups))); h >= highest {
			index, highest = i, h
		}
	}
	return index
}

// identity stands for the target.
func (g *group) identity(list []candidate) string {
	if g.name == "" {
		return list[g.from].dial
	}
	return g.name
}

// hash64 continues an FNV-1a hash. It is the same in every process, so that a restart moves no client.
func hash64(hash uint64, text string) uint64 {
	for i := 0; i < len(text); i++ {
		hash = (hash ^ uint64(text[i])) * 1099511628211
	}
	return hash
}

// mix is the finalizer of MurmurHash3: FNV alone spreads the last bytes badly.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
