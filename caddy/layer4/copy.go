package layer4

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// longestStep bounds one step of copying: so often bytes are counted and idleness is looked for.
const longestStep = 15 * time.Second

// stuckAfter is the time for which a peer may take nothing of what is sent to it, beyond the idle timeout.
const stuckAfter = 15 * time.Second

var errIdle = errors.New("nothing was sent for the idle timeout")

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// join copies between two connections until both sides have ended, one fails, or nothing was sent for idle.
// A side that ends only what it sends (FIN) gets the rest of what the other sends. A panic of either direction is the
// caller's.
func join(client, target net.Conn, idle time.Duration, up, down counter) error {
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	// A side that ends last needs no end of its own: both connections are closed then.
	var ended atomic.Int32
	finish := func(to net.Conn) error {
		if ended.Add(1) == 2 {
			return nil
		}
		return closeWrite(to)
	}
	failed := make(chan error, 1)
	end := func() {
		_ = client.Close()
		_ = target.Close()
	}
	go func() {
		failed <- catch(func() error { return pipe(target, client, idle, &last, up, finish, end) }, end)
	}()
	err := pipe(client, target, idle, &last, down, finish, end)
	other := <-failed
	if panicked := (*caught)(nil); errors.As(other, &panicked) {
		panic(panicked)
	}
	if err == nil || errors.Is(err, net.ErrClosed) {
		err = other
	}
	return err
}

// pipe copies one direction. After an error it ends both, so that the other direction ends too.
func pipe(to, from net.Conn, idle time.Duration, last *atomic.Int64, count counter, finish func(net.Conn) error, end func()) error {
	step := min(max(idle/4, 10*time.Millisecond), longestStep)
	for steps := 0; ; steps++ {
		if steps == 1 {
			keepAlive(from)
		}
		now := time.Now()
		_ = from.SetReadDeadline(now.Add(step))
		_ = to.SetWriteDeadline(now.Add(step + idle + stuckAfter))
		n, err := copySome(to, from)
		count.Add(uint64(n))
		if n > 0 {
			last.Store(time.Now().UnixNano())
		}
		switch {
		case err == nil:
			// The end of what this side sends.
			if err := finish(to); err != nil {
				end()
			}
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(now.Add(step+idle)):
			if time.Since(time.Unix(0, last.Load())) < idle {
				continue
			}
			end()
			return errIdle
		default:
			end()
			return err
		}
	}
}

// keepAlive has the system notice a peer that is gone without a word. Most connections end before that is worth its four
// system calls.
func keepAlive(conn net.Conn) {
	for {
		switch above := conn.(type) {
		case *net.TCPConn:
			_ = above.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true})
			return
		case *replay:
			conn = above.Conn
		case *tls.Conn:
			conn = above.NetConn()
		default:
			return
		}
	}
}

// copySome copies until the end (nil) or the deadline.
func copySome(to, from net.Conn) (int64, error) {
	if first, ok := from.(*replay); ok {
		if data := first.take(); len(data) > 0 {
			n, err := to.Write(data)
			if err != nil {
				return int64(n), err
			}
			more, err := copySome(to, first.Conn)
			return int64(n) + more, err
		}
		from = first.Conn
	}
	if put, ok := to.(*replay); ok {
		to = put.Conn
	}
	toTCP, ok := to.(*net.TCPConn)
	if fromTCP, both := from.(*net.TCPConn); ok && both {
		return copyTCP(toTCP, fromTCP)
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(writerOnly{to}, readerOnly{from}, buf[:])
}

// copyTCP has the kernel copy (splice) as soon as a buffer does not hold what has come. Until then it reads and writes: for little
// data that is cheaper, and a connection that says little would have two pipes, four descriptors, for as long as it lasts. One
// that waits has no buffer either.
func copyTCP(to, from *net.TCPConn) (total int64, err error) {
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	var buf *[32 << 10]byte
	var n int
	var failed error
	read := func(fd uintptr) (done bool) {
		buf = buffers.Get().(*[32 << 10]byte)
		for n, failed = unix.Read(int(fd), buf[:]); failed == unix.EINTR; {
			n, failed = unix.Read(int(fd), buf[:])
		}
		if failed != unix.EAGAIN {
			return true
		}
		buffers.Put(buf)
		return false
	}
	for {
		if err := raw.Read(read); err != nil {
			return total, err
		}
		full := n == len(buf)
		if n > 0 {
			n, failed = to.Write(buf[:n])
			total += int64(n)
		}
		buffers.Put(buf)
		switch {
		case failed != nil:
			return total, failed
		case n == 0:
			return total, nil
		case full:
			more, err := to.ReadFrom(from)
			return total + more, err
		}
	}
}

type readerOnly struct{ io.Reader }
type writerOnly struct{ io.Writer }

// closeWrite tells the peer that nothing more is sent.
func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return conn.Close()
}
