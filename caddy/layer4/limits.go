package layer4

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// maxWaiting bounds the connections that have not said enough yet to know where they go.
const maxWaiting = 16 << 10

var waiting atomic.Int64

var errTooMany = errors.New("too many connections that have not said where they go")

// enter counts a connection among those that wait, which have the time of timeout; the caller calls done.
func enter(conn net.Conn, timeout time.Duration) (done func(), err error) {
	if waiting.Add(1) > maxWaiting {
		waiting.Add(-1)
		return nil, errTooMany
	}
	done = func() {
		waiting.Add(-1)
		_ = conn.SetReadDeadline(time.Time{})
	}
	return done, conn.SetReadDeadline(time.Now().Add(timeout))
}
