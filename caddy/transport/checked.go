package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

var errSwitched = errors.New("the instance switched protocols without being asked to")

// checked sends a request by another's transport, and refuses answers that cannot be told to a client.
func checked(r *http.Request, by http.RoundTripper) (*http.Response, error) {
	sortInterim(r)
	res, err := by.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := checkAnswer(r, res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	return res, nil
}

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
