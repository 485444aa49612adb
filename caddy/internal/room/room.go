// Package room bounds what goes on at one time: in all, for one rule, and for one client, so that neither a rule nor a
// client can take it from all others.
package room

import (
	"sync"

	"gatewright.dev/caddy/internal/clients"
)

// Room has so many places in all, and fewer for each rule and each client.
type Room struct {
	all, rule, client int

	mu      sync.Mutex
	taken   int
	rules   map[string]int
	clients map[string]int
}

// New makes a room.
func New(all, rule, client int) *Room {
	return &Room{all: all, rule: rule, client: client, rules: make(map[string]int), clients: make(map[string]int)}
}

// Enter takes room for one, and tells whether there was any. "" is no rule or client, and shares with no other.
func (r *Room) Enter(rule, client string) bool {
	client = clients.Key(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken >= r.all || r.rules[rule] >= r.rule || r.clients[client] >= r.client {
		return false
	}
	r.taken++
	if rule != "" {
		r.rules[rule]++
	}
	if client != "" {
		r.clients[client]++
	}
	return true
}

// Leave gives a place back that the same rule and client took.
func (r *Room) Leave(rule, client string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	leave(r.rules, rule)
	leave(r.clients, clients.Key(client))
}

// Taken is how many places are taken.
func (r *Room) Taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

func leave(counts map[string]int, key string) {
	if counts[key] > 1 {
		counts[key]--
	} else {
		delete(counts, key)
	}
}
