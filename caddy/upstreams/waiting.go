package upstreams

import (
	"syscall"

	"gatewright.dev/caddy/internal/room"
)

// maxWaiting bounds the requests that wait in this process.
const maxWaiting = 20000

// waiting are the requests that wait for an address: a quarter of the places for a rule, a twentieth for a client.
var waiting = waitingRoom(openFiles())

// waitingRoom is for a process that may have so many files open: most clients that wait have a connection each.
func waitingRoom(files uint64) *room.Room {
	all := int(min(maxWaiting, files/4))
	return room.New(all, max(all/4, 1), max(all/20, min(all, 16)))
}

// openFiles is how many files the process may have open; Go has raised the soft limit to the hard one.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return limit.Cur
}
