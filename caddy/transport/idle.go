package transport

import (
	"bufio"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 4 << 10
	shardCount = 64
	// sweepEvery is how often idle connections are looked at that are too old or that the instance has closed.
	sweepEvery = 10 * time.Second
)

// conn is a connection to an instance. It belongs to one request at a time, and to none while it is idle.
type conn struct {
	address string
	// home is where it is kept while it is idle.
	home *idleConns
	// tcp is the connection, with TLS or without; secure tells which.
	tcp    net.Conn
	secure bool
	raw    syscall.RawConn
	// buffers are the conn's while it is not idle: instances have many connections, and most are idle.
	*buffers
	// interrupt ends reading and writing, and look sets heard when something has come in; both are made once.
	interrupt func()
	look      func(fd uintptr)
	heard     bool
	peeked    [1]byte

	// sending is the writing of a request with a body; nil of one without.
	sending *sending
	// answered tells that something of the answer was read.
	answered bool
	// mayRead bounds what is read of the answer.
	mayRead int64
	// since is when it became idle.
	since  time.Time
	closed bool
}

type buffers struct {
	reader *bufio.Reader
	writer *bufio.Writer
}

var spare = sync.Pool{New: func() any {
	return &buffers{bufio.NewReaderSize(nil, bufferSize), bufio.NewWriterSize(nil, bufferSize)}
}}

func newConn(tcp net.Conn, address string, home *idleConns) *conn {
	open.Add(1)
	c := &conn{address: address, home: home, tcp: tcp}
	c.equip()
	below := tcp
	if over, ok := tcp.(*tls.Conn); ok {
		c.secure, below = true, over.NetConn()
	}
	if system, ok := below.(syscall.Conn); ok {
		c.raw, _ = system.SyscallConn()
	}
	c.interrupt = func() { _ = tcp.SetDeadline(past) }
	c.look = func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), c.peeked[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		c.heard = err != unix.EAGAIN
	}
	return c
}

// equip gives the conn buffers.
func (c *conn) equip() {
	c.buffers = spare.Get().(*buffers)
	c.reader.Reset(c)
	c.writer.Reset(c.tcp)
}

// strip takes them away again. Nobody else may have them.
func (c *conn) strip() {
	c.reader.Reset(nil)
	c.writer.Reset(nil)
	spare.Put(c.buffers)
	c.buffers = nil
}

// Read is the reader's source.
func (c *conn) Read(p []byte) (int, error) {
	if c.mayRead <= 0 {
		return 0, errHeadTooLarge
	}
	if int64(len(p)) > c.mayRead {
		p = p[:c.mayRead]
	}
	n, err := c.tcp.Read(p)
	c.mayRead -= int64(n)
	c.answered = c.answered || n > 0
	return n, err
}

func (c *conn) close() {
	if !c.closed {
		c.closed = true
		open.Add(-1)
	}
	_ = c.tcp.Close()
}

// quiet tells whether nothing has come in: no end of the connection, and no answer without a question, which would be
// taken for that to the next one (servers send 408 before they close an idle connection).
func (c *conn) quiet() bool {
	if c.raw == nil {
		return false
	}
	return c.raw.Control(c.look) == nil && !c.heard
}

// isDrained tells whether nothing is left of what was read from the socket, after an answer. TLS reads ahead by itself.
func (c *conn) isDrained() bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	if !c.secure {
		return true
	}
	// What has been read from the socket is decrypted and returned before the deadline is met.
	_ = c.tcp.SetReadDeadline(past)
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded) && c.tcp.SetReadDeadline(time.Time{}) == nil
}

// idleConns are idle connections by address.
type idleConns struct {
	shards [shardCount]idleShard
	// sweeping is true while a sweep is due.
	sweeping atomic.Bool
}

type idleShard struct {
	mu sync.Mutex
	// conns of an address; the newest, which is taken first, last.
	conns map[string][]*conn
}

// idle are those of TCP alone. They belong to the process.
var idle idleConns

var seed = maphash.MakeSeed()

func (i *idleConns) shard(address string) *idleShard {
	return &i.shards[maphash.String(seed, address)%shardCount]
}

// take returns an idle connection, or nil when there is none that can be used.
func (i *idleConns) take(address string) *conn {
	s := i.shard(address)
	for {
		s.mu.Lock()
		conns := s.conns[address]
		if len(conns) == 0 {
			s.mu.Unlock()
			return nil
		}
		c := conns[len(conns)-1]
		conns[len(conns)-1] = nil
		s.conns[address] = conns[:len(conns)-1]
		s.mu.Unlock()
		resting.Add(-1)
		if time.Since(c.since) < idleFor && c.quiet() {
			c.equip()
			return c
		}
		c.close()
	}
}

// put keeps a connection for the next request.
func (i *idleConns) put(c *conn) {
	c.strip()
	c.since = time.Now()
	s := i.shard(c.address)
	s.mu.Lock()
	conns := s.conns[c.address]
	full := len(conns) >= maxIdle
	if !full {
		if s.conns == nil {
			s.conns = make(map[string][]*conn)
		}
		s.conns[c.address] = append(conns, c)
		resting.Add(1)
	}
	s.mu.Unlock()
	if full {
		c.close()
		return
	}
	i.sweepLater()
}

func (i *idleConns) sweepLater() {
	if !i.sweeping.Load() && i.sweeping.CompareAndSwap(false, true) {
		time.AfterFunc(sweepEvery, i.sweep)
	}
}

// close closes all connections.
func (i *idleConns) close() {
	for at := range i.shards {
		i.shards[at].sweep(time.Now().Add(idleFor))
	}
}

// sweep closes the connections that take would not return.
func (i *idleConns) sweep() {
	// Before the shards are looked at: what comes later asks for a sweep of its own.
	i.sweeping.Store(false)
	kept := 0
	for at := range i.shards {
		kept += i.shards[at].sweep(time.Now())
	}
	if kept > 0 {
		i.sweepLater()
	}
}

func (s *idleShard) sweep(now time.Time) (kept int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, conns := range s.conns {
		left := conns[:0]
		for _, c := range conns {
			if now.Sub(c.since) < idleFor && c.quiet() {
				left = append(left, c)
			} else {
				resting.Add(-1)
				c.close()
			}
		}
		clear(conns[len(left):])
		kept += len(left)
		if len(left) == 0 {
			delete(s.conns, address)
		} else {
			s.conns[address] = left
		}
	}
	return kept
}
