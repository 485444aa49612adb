package layer4

import (
	"container/list"
	"net/netip"
	"sync/atomic"

	"gatewright.dev/caddy/internal/clients"
	"gatewright.dev/caddy/internal/descriptors"
)

// Sessions take descriptors and memory, and a packet's address may be made up. So a session is *unproven* until its
// client sends after an answer went to it: when there is no room, the unproven one that was silent longest makes room.
// Made-up clients take the places of each other, and never that of a client that talks.

// openSockets are the sockets of UDP of this process.
var openSockets atomic.Int64

// sessionsOfPort is how many sessions a socket may have: all sockets share a quarter of the descriptors, and leave what
// one more socket would have.
func sessionsOfPort() int {
	return max(descriptors.Most()/4/int(openSockets.Load()+1), 16)
}

// clientShare is the part of a port's sessions that one client address may have.
const clientShare = 8

// room counts the sessions of a socket, by client. Its socket's mu guards it.
type room struct {
	unproven list.List // of *session, the one silent longest first
	clients  map[netip.Prefix]*clientRoom
}

type clientRoom struct {
	sessions int
	unproven list.List // of *session, the one silent longest first
}

// standing is where an unproven session stands in the room's list and its client's; nil when it is proven.
type standing struct{ ofAll, ofClient *list.Element }

// of is what there is of a client; nil for nothing.
func (r *room) of(client netip.AddrPort) *clientRoom {
	return r.clients[clients.Network(client.Addr())]
}

func (r *room) add(s *session) {
	client := r.of(s.client)
	if client == nil {
		client = new(clientRoom)
		if r.clients == nil {
			r.clients = make(map[netip.Prefix]*clientRoom)
		}
		r.clients[clients.Network(s.client.Addr())] = client
	}
	client.sessions++
	s.stands = standing{r.unproven.PushBack(s), client.unproven.PushBack(s)}
}

// hear notes a packet of the client.
func (r *room) hear(s *session) {
	switch {
	case s.stands.ofAll == nil:
	case s.answered.Load():
		r.prove(s)
	default:
		r.unproven.MoveToBack(s.stands.ofAll)
		r.of(s.client).unproven.MoveToBack(s.stands.ofClient)
	}
}

func (r *room) prove(s *session) {
	if s.stands.ofAll == nil {
		return
	}
	r.unproven.Remove(s.stands.ofAll)
	r.of(s.client).unproven.Remove(s.stands.ofClient)
	s.stands = standing{}
}

func (r *room) remove(s *session) {
	r.prove(s)
	client := r.of(s.client)
	if client.sessions--; client.sessions == 0 {
		delete(r.clients, clients.Network(s.client.Addr()))
	}
}

// oldest is the first session of a list; nil for none.
func oldest(of *list.List) *session {
	if first := of.Front(); first != nil {
		return first.Value.(*session)
	}
	return nil
}
