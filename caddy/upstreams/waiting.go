package upstreams

import (
	"gatewright.dev/caddy/internal/descriptors"
	"gatewright.dev/caddy/internal/room"
)

// maxWaiting bounds the requests that wait in this process.
const maxWaiting = 20000

// waiting are the requests that wait for an address: a quarter of the places for a rule, a twentieth for a client.
var waiting = waitingRoom(descriptors.Most())

// waitingRoom is for a process that may have so many files open: most clients that wait have a connection each.
func waitingRoom(files int) *room.Room {
	all := min(maxWaiting, files/4)
	return room.New(all, max(all/4, 1), max(all/20, min(all, 16)))
}
