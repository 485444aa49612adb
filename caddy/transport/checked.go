package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/upstreams"
)

// Options are what the transports of this package have in common.
type Options struct {
	// Upgrade are the protocols that a connection may be handed over to. Default: websocket alone.
	Upgrade []string `json:"upgrade,omitempty"`

	// ReadIdleTimeout is how long the client may be silent while its request is read, until the answer begins; then 408.
	// Default: `read_idle_timeout` of the server, and no limit for gRPC where the transport can carry it.
	ReadIdleTimeout caddy.Duration `json:"read_idle_timeout,omitempty"`

	// http2 tells that the instance may be spoken to over HTTP/2.
	http2 bool
}

func (o *Options) provision() error {
	if o.ReadIdleTimeout < 0 {
		return errors.New("read_idle_timeout is negative")
	}
	if o.Upgrade == nil {
		o.Upgrade = websocketAlone
	}
	return nil
}

// carry sends a request by another's transport. It refuses answers that cannot be told to a client, and tells the client's
// failures from the instance's.
func (o *Options) carry(r *http.Request, by http.RoundTripper) (*http.Response, error) {
	body := watchBody(r)
	restore := o.readIdle(r)
	res, err := by.RoundTrip(r)
	if err == nil {
		if err = checkAnswer(r, res); err != nil {
			_ = res.Body.Close()
		}
	}
	if err == nil {
		endReadIdle(r, res, restore)
		return res, nil
	}
	restore()
	if gone := r.Context().Err(); gone != nil && !body.endedEarly() {
		return nil, gone
	}
	if failed := body.failure(); failed != nil {
		upstreams.Spare(r)
		return nil, clientError(failed)
	}
	return nil, err
}

var errSwitched = errors.New("the instance switched protocols without being asked to")

// checkAnswer refuses a 101 that nobody asked for, which the proxy would make an empty 200 of, and numbers that are no
// status, at which net/http panics.
func checkAnswer(r *http.Request, res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		if _, writable := res.Body.(io.ReadWriteCloser); !writable || !switched(r, res) {
			return errSwitched
		}
	case res.StatusCode < 200 || res.StatusCode > 999:
		return fmt.Errorf("the instance answered with the status %03d", res.StatusCode)
	}
	return nil
}
