package transport

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// sentWithin is how long the end of writing is waited for when the answer has ended, as net/http does: the instance
	// may be heard before the writer has come back.
	sentWithin = 50 * time.Millisecond
	// lastWordWithin is the time in which an instance that takes no more of a request may have answered nevertheless.
	lastWordWithin = time.Second
)

// sending is the writing of a request that has a body. It goes on while the answer is read: an instance may answer before
// it has read all of it.
type sending struct {
	ended chan struct{}
	// err is why it failed; to be read when it has ended.
	err error

	mu sync.Mutex
	// answered tells that the answer's head was read, so that no time is set for it any more.
	answered bool
}

// send begins to write a request.
func (c *conn) send(r *http.Request, headWithin time.Duration) {
	s := &sending{ended: make(chan struct{})}
	c.sending = s
	writer := c.writer
	go func() {
		defer close(s.ended)
		if s.err = r.Write(writer); s.err == nil {
			s.err = writer.Flush()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		var failure *net.OpError
		switch {
		case s.answered:
		case s.err == nil && headWithin > 0:
			_ = c.tcp.SetReadDeadline(time.Now().Add(headWithin))
		case s.err == nil:
		case errors.As(s.err, &failure) && failure.Op == "write":
			_ = c.tcp.SetReadDeadline(time.Now().Add(lastWordWithin))
		default:
			// The client's part failed.
			c.interrupt()
		}
		if r.Context().Err() != nil {
			// The deadline that interrupts may have been overwritten.
			c.interrupt()
		}
	}()
}

// headRead takes the time for the answer's head away.
func (s *sending) headRead(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	_ = c.tcp.SetReadDeadline(time.Time{})
}

// failure is why writing failed; nil when it did not, or goes on.
func (s *sending) failure() error {
	select {
	case <-s.ended:
		return s.err
	default:
		return nil
	}
}

// whole tells whether all of the request was written.
func (s *sending) whole() bool {
	select {
	case <-s.ended:
		return s.err == nil
	default:
	}
	timer := time.NewTimer(sentWithin)
	defer timer.Stop()
	select {
	case <-s.ended:
		return s.err == nil
	case <-timer.C:
		return false
	}
}
