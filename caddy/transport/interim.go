package transport

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

const (
	// maxInterim bounds the interim answers to a request. A slow one may tell every few seconds that it goes on
	// (102, RFC 2518 section 10.1).
	maxInterim = 1000
	// maxInterimBytes bounds their heads, all together.
	maxInterimBytes = 1 << 20
)

var errInterim = errors.New("the instance sent interim answers without end")

// interim sorts and bounds the interim answers (RFC 9110 section 15.2) to one request. An instance may send any number of
// them, and each is one for the client.
type interim struct{ count, bytes int }

// pass tells whether the client is to get one.
func (i *interim) pass(r *http.Request, status int, header textproto.MIMEHeader) (bool, error) {
	i.count++
	for name, values := range header {
		for _, value := range values {
			i.bytes += len(name) + len(value)
		}
	}
	switch {
	case i.count > maxInterim || i.bytes > maxInterimBytes:
		return false, errInterim
	case status == http.StatusSwitchingProtocols:
		// HTTP/2 takes it for one of these, though it has none (RFC 9113 section 8.6).
		return false, errSwitched
	case status == http.StatusContinue:
		// Caddy's server has sent one when the body was first read, and a client takes a second one for the answer.
		return false, nil
	}
	// Clients of HTTP/1.0 do not know them (RFC 9110 section 15.2).
	return r.ProtoAtLeast(1, 1), nil
}

// sortInterim has the interim answers to a request pass by here on their way to who traces it. The trace is the proxy's,
// which makes one for each attempt.
func sortInterim(r *http.Request) {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return
	}
	var seen interim
	tell := trace.Got1xxResponse
	trace.Got1xxResponse = func(status int, header textproto.MIMEHeader) error {
		pass, err := seen.pass(r, status, header)
		if !pass {
			return err
		}
		return tell(status, header)
	}
}
