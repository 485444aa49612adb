package transport

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// clientBody is the body of a request on its way to the instance. It remembers why the client's part of it failed, so that
// the instance is not blamed.
type clientBody struct {
	io.ReadCloser

	// turn is that of a read or a Close. A server of HTTP/1 has them wait for each other too; with HTTP/2 and 3 a Close ends
	// the read that waits, and there are no turns.
	turn  sync.Mutex
	turns bool

	mu sync.Mutex
	// begun tells that reading has begun, and closed that the body was closed after that.
	begun, closed bool
	failed        error
}

// watchBody puts a clientBody in the place of the request's body; nil when it has none.
func watchBody(r *http.Request) *clientBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &clientBody{ReadCloser: r.Body, turns: r.ProtoMajor == 1}
	r.Body = b
	return b
}

func (b *clientBody) Read(p []byte) (int, error) {
	if b.turns {
		b.turn.Lock()
		defer b.turn.Unlock()
	}
	b.mu.Lock()
	b.begun = true
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.mu.Lock()
		defer b.mu.Unlock()
		// What a read says of a closed body is not the client's doing.
		if !b.closed && b.failed == nil {
			b.failed = err
		}
	}
	return n, err
}

// Close is called when the body is not read any more; and before it is read, by a transport that then takes another
// connection (net/http, HTTP/2). That closes nothing yet: the proxy's body is made for it.
func (b *clientBody) Close() error {
	if b.turns {
		b.turn.Lock()
		defer b.turn.Unlock()
	}
	b.mu.Lock()
	b.closed = b.begun
	b.mu.Unlock()
	return b.ReadCloser.Close()
}

// failure is why the client's part failed; nil when it did not.
func (b *clientBody) failure() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// endedEarly tells whether the client of a request that was cancelled has sent no more of it, and may still read. A server
// of HTTP/1 cancels a request when reading from the connection fails, before the read returns: it is waited for.
func (b *clientBody) endedEarly() bool {
	if b == nil {
		return false
	}
	if b.turns {
		b.turn.Lock()
		defer b.turn.Unlock()
	}
	err := b.failure()
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded)
}

// clientError is what the client is told of its part's failure.
func clientError(err error) error {
	if told, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		// A handler before the proxy bounds the body.
		return told
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return caddyhttp.Error(http.StatusRequestTimeout, errSilent)
	}
	return caddyhttp.Error(http.StatusBadRequest, fmt.Errorf("reading the client's request: %w", err))
}

var errSilent = errors.New("the client sent no more of its request")

// noLimit is a time that does not come. It leaves room for the time of day that it is added to.
const noLimit = time.Duration(math.MaxInt64 / 2)

// readIdle sets how long the client may be silent while its request is read, where that is not the server's
// `read_idle_timeout`. Messages of gRPC come when there are any: silence is no sign of a client that is gone.
func (o *Options) readIdle(r *http.Request) (restore func()) {
	reader, _ := caddyhttp.IdleTimeoutsFromContext(r.Context())
	switch {
	case reader == nil:
	case o.ReadIdleTimeout > 0:
		return reader.Override(time.Duration(o.ReadIdleTimeout), 0)
	case o.http2 && isGRPC(r):
		return reader.Override(noLimit, 0)
	}
	return func() {}
}

// isGRPC tells whether the request is one of gRPC, which is spoken over HTTP/2 alone
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
func isGRPC(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && r.ProtoMajor > 1 && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// endReadIdle has the client be silent for as long as it likes while the answer is under way: both halves may go on.
func endReadIdle(r *http.Request, res *http.Response, restore func()) {
	reader, _ := caddyhttp.IdleTimeoutsFromContext(r.Context())
	if reader == nil {
		return
	}
	back := reader.Override(noLimit, 0)
	if res.StatusCode == http.StatusSwitchingProtocols {
		// The connection is the tunnel's now.
		return
	}
	// The server reads what is left of the request after the answer, and that must end some time.
	res.Body = &answerBody{res.Body, sync.OnceFunc(func() {
		back()
		restore()
	})}
}

// answerBody is an answer's body that tells when it is closed.
type answerBody struct {
	io.ReadCloser
	ended func()
}

func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.ended()
	return err
}
