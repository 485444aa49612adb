package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// stalled is the body of a request of HTTP/1 whose client falls silent: net/http cancels the request when reading fails,
// before the read returns, and closing waits for the read.
type stalled struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	// release lets the read return.
	release <-chan struct{}
	err     error
}

func (b *stalled) Read([]byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancel()
	<-b.release
	return 0, b.err
}

func (b *stalled) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return nil
}

// hasty is a transport that reads the body beside, as net/http's do, and hears first that the request is cancelled. Of those
// that close the body some have closed it before they read it, for another connection's sake.
type hasty struct{ closes, early bool }

func (h hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.early {
		r.Body.Close()
	}
	go func() { _, _ = io.Copy(io.Discard, r.Body) }()
	<-r.Context().Done()
	if h.closes {
		go r.Body.Close()
	}
	return nil, r.Context().Err()
}

// TestWhyReadingEnded holds E9: what ended the reading of a request decides the answer, however late the read tells of it.
// That the request is cancelled follows from it.
func TestWhyReadingEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"our limit", os.ErrDeadlineExceeded, http.StatusRequestTimeout},
		{"the client's half", io.ErrUnexpectedEOF, http.StatusBadRequest},
		{"a client that is gone", syscall.ECONNRESET, 0},
	} {
		for _, by := range []hasty{{}, {closes: true}, {early: true}, {closes: true, early: true}} {
			ctx, cancel := context.WithCancel(t.Context())
			release := make(chan struct{})
			// Later than anybody would have given up waiting.
			context.AfterFunc(ctx, func() { time.AfterFunc(150*time.Millisecond, func() { close(release) }) })
			r := request("POST", "127.0.0.1:1", &stalled{cancel: cancel, release: release, err: c.err}).WithContext(ctx)
			_, err := new(Options).carry(r, by)
			told, _ := errors.AsType[caddyhttp.HandlerError](err)
			if told.StatusCode != c.want || c.want == 0 && err != context.Canceled {
				t.Errorf("E9 %s ended it, by %+v: got %v, want %d", c.name, by, err, c.want)
			}
		}
	}
}
