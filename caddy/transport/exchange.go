package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxHead bounds the head of an answer, interim ones included, as net/http does by default.
const maxHead = 10 << 20

var (
	errHeadTooLarge   = errors.New("the head of the answer is too large")
	errBodyAfterClose = errors.New("read of a closed body")
	past              = time.Unix(1, 0)
)

// headTimeout is a net.Error, which Caddy answers with 504.
type headTimeout struct{}

func (headTimeout) Error() string   { return "timeout awaiting the head of the answer" }
func (headTimeout) Timeout() bool   { return true }
func (headTimeout) Temporary() bool { return true }

// exchange sends a request on a kept connection; done is false where there is none. One that the instance closed meanwhile is
// to be replaced by a new one, once, as long as nothing of an answer was read and the request may be repeated: done is false
// then too.
func (i *idleConns) exchange(r *http.Request, headWithin time.Duration) (res *http.Response, err error, done bool) {
	if err := errors.Join(checkHeader(r.Header), checkHeader(r.Trailer)); err != nil {
		return nil, err, true
	}
	c := i.take(r.URL.Host)
	if c == nil {
		return nil, nil, false
	}
	res, err = c.exchange(r, headWithin)
	return res, err, err == nil || c.answered || r.Context().Err() != nil || isTimeout(err) || !isRepeatable(r)
}

// checkHeader refuses what would change the meaning of the request's head, as net/http does.
func checkHeader(header http.Header) error {
	for name, values := range header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("header field name %q is invalid", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("value of header field %q is invalid", name)
			}
		}
	}
	return nil
}

// exchange sends the request and reads the head of the answer. After an error the connection is closed.
func (c *conn) exchange(r *http.Request, headWithin time.Duration) (*http.Response, error) {
	c.answered, c.mayRead, c.sending = false, maxHead, nil
	ctx := r.Context()
	stop := context.AfterFunc(ctx, c.interrupt)
	res, err := c.roundTrip(r, headWithin)
	if ctx.Err() != nil {
		// Also when all went well: the deadline that interrupts may have been overwritten.
		err = ctx.Err()
	}
	if err != nil {
		stop()
		c.close()
		return nil, err
	}
	c.mayRead = math.MaxInt64
	b := &body{ReadCloser: res.Body, conn: c, ctx: ctx, stop: stop, keep: !res.Close && !r.Close}
	if res.Body == http.NoBody {
		b.end(true)
	} else {
		res.Body = b
	}
	return res, nil
}

func (c *conn) roundTrip(r *http.Request, headWithin time.Duration) (*http.Response, error) {
	if hasBody(r) {
		c.send(r, headWithin)
	} else if err := c.write(r, headWithin); err != nil {
		return nil, err
	}
	res, err := c.readHead(r)
	if err != nil {
		if c.sending != nil && c.sending.failure() != nil {
			return nil, c.sending.failure()
		}
		if isTimeout(err) {
			return nil, headTimeout{}
		}
		return nil, err
	}
	if c.sending != nil {
		c.sending.headRead(c)
	} else if headWithin > 0 {
		_ = c.tcp.SetReadDeadline(time.Time{})
	}
	return res, nil
}

// write writes a request that has no body.
func (c *conn) write(r *http.Request, headWithin time.Duration) error {
	if err := r.Write(c.writer); err != nil {
		return err
	}
	if err := c.writer.Flush(); err != nil {
		return err
	}
	if headWithin > 0 {
		_ = c.tcp.SetReadDeadline(time.Now().Add(headWithin))
	}
	return nil
}

// readHead reads the final answer's head. Interim ones (RFC 9110 section 15.2) are told to who traces the request.
func (c *conn) readHead(r *http.Request) (*http.Response, error) {
	var seen interim
	for {
		res, err := http.ReadResponse(c.reader, r)
		switch {
		case err != nil:
			return nil, err
		case res.StatusCode < 100 || res.StatusCode == http.StatusSwitchingProtocols || res.StatusCode >= 200:
			return res, checkAnswer(r, res)
		}
		header := textproto.MIMEHeader(res.Header)
		pass, err := seen.pass(r, res.StatusCode, header)
		if err != nil {
			return nil, err
		}
		if trace := httptrace.ContextClientTrace(r.Context()); pass && trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(res.StatusCode, header); err != nil {
				return nil, err
			}
		}
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// body is an answer's body. At its end the connection becomes idle; closed before, or after an error, it is closed.
type body struct {
	io.ReadCloser
	conn *conn
	ctx  context.Context
	stop func() bool
	keep bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.conn == nil {
		return 0, errBodyAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if err != io.EOF && b.ctx.Err() != nil {
		err = b.ctx.Err()
	}
	b.end(err == io.EOF)
	b.ReadCloser = ended{err}
	return n, err
}

func (b *body) Close() error {
	b.end(false)
	b.conn = nil
	return nil
}

// end lets go of the connection.
func (b *body) end(whole bool) {
	if b.stop == nil {
		return
	}
	stopped := b.stop()
	b.stop = nil
	if whole && b.keep && stopped && (b.conn.sending == nil || b.conn.sending.whole()) && b.conn.isDrained() {
		b.conn.home.put(b.conn)
	} else {
		b.conn.close()
	}
}

// ended is what is left of a body that has ended: its connection is another request's.
type ended struct{ err error }

func (e ended) Read([]byte) (int, error) { return 0, e.err }
func (ended) Close() error               { return nil }
