package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"time"
)

// exchangeTimeout bounds one request. Longer than any wait in the proxy.
const exchangeTimeout = 15 * time.Second

var errMalformed = errors.New("malformed response")

// connection is one keep-alive connection of HTTP/1.1. It does by hand what net/http would do, at a fraction of the
// cost, since the load generator shares its processors with what it measures.
type connection struct {
	target string
	// name is asked for by TLS; "" for none. The certificate may be anybody's: its authority is Caddy's own.
	name   string
	conn   net.Conn
	reader *bufio.Reader
}

func (c *connection) open() error {
	conn, err := net.DialTimeout("tcp", c.target, exchangeTimeout)
	if err != nil {
		return err
	}
	if c.name != "" {
		secure := tls.Client(conn, &tls.Config{ServerName: c.name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		_ = conn.SetDeadline(time.Now().Add(exchangeTimeout))
		if err := secure.Handshake(); err != nil {
			_ = conn.Close()
			return err
		}
		conn = secure
	}
	c.conn = conn
	c.reader = bufio.NewReaderSize(conn, 8<<10)
	return nil
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// exchange sends a request and reads the whole response, over the connection that is open or a new one. After an
// error, and when the server says so, the connection is closed.
func (c *connection) exchange(request []byte) (status int, err error) {
	if c.conn == nil {
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	keep := false
	defer func() {
		if !keep {
			c.close()
		}
	}()
	if err := c.conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	head, err := readHead(c.reader)
	if err != nil {
		return 0, err
	}
	switch {
	case head.chunked:
		err = skipChunked(c.reader)
	case head.length > 0:
		_, err = c.reader.Discard(head.length)
	}
	keep = err == nil && !head.close
	return head.status, err
}

// head is what is needed of a response's head.
type head struct {
	status  int
	length  int
	chunked bool
	close   bool
}

func readHead(reader *bufio.Reader) (head, error) {
	var h head
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return h, fmt.Errorf("%w: %.40q", errMalformed, line)
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return h, errMalformed
	}
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(name, "content-length"):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return h, errMalformed
			}
		case equalFold(name, "transfer-encoding"):
			h.chunked = equalFold(value, "chunked")
		case equalFold(name, "connection"):
			h.close = equalFold(value, "close")
		}
	}
}

func equalFold(text []byte, lower string) bool {
	return len(text) == len(lower) && bytes.EqualFold(text, []byte(lower))
}

func skipChunked(reader *bufio.Reader) error {
	if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(reader)); err != nil {
		return err
	}
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return err
		}
	}
}
