package listeners

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

const head = "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n"

// What a connection has to hand over when it leaves: what no handler has had, and nothing of the body that one reads.
func TestWhatARequestLeavesBehind(t *testing.T) {
	for name, c := range map[string]struct {
		before *conn
		length int64
		kept   string
		owed   int64
		spent  bool
		not    bool
	}{
		"no body":                   {before: &conn{kept: []byte(head)}, length: 0},
		"all of a body":             {before: &conn{kept: []byte(head + "body")}, length: 4},
		"a part of a body":          {before: &conn{kept: []byte(head + "bo")}, length: 4, owed: 2},
		"a body and the next":       {before: &conn{kept: []byte(head + "bodyGET")}, length: 4, kept: "GET"},
		"empty lines, as of a POST": {before: &conn{kept: []byte("\r\n\r\n" + head + "GET")}, kept: "GET"},
		"a body without a length":   {before: &conn{kept: []byte(head)}, length: -1, spent: true},
		"half a head":               {before: &conn{kept: []byte(head[:20])}, spent: true},
		"a second at a time":        {before: &conn{taken: true, kept: []byte(head)}, spent: true},
		"of one that is spent":      {before: &conn{spent: true}, length: 4, spent: true},
		"of one that has left":      {before: &conn{gone: true, kept: []byte(head)}, kept: head, not: true},
	} {
		t.Run(name, func(t *testing.T) {
			one := c.before
			if one.take(c.length) == c.not || string(one.kept) != c.kept || one.owed != c.owed || one.spent != c.spent {
				t.Errorf("left are %q, owed %d, spent %v", one.kept, one.owed, one.spent)
			}
			if one.taken == (one.spent || one.gone) && name != "a second at a time" {
				t.Errorf("taken: %v", one.taken)
			}
		})
	}
}

// A large buffer is not kept for the sake of a few bytes.
func TestABufferDoesNotStayLarge(t *testing.T) {
	for size, stays := range map[int]bool{4 << 10: true, 4<<10 + 1: false} {
		c := &conn{kept: append(make([]byte, 0, size), head+"GET"...)}
		c.take(0)
		if string(c.kept) != "GET" || (cap(c.kept) == size) != stays {
			t.Errorf("of %d bytes %d are kept for %q", size, cap(c.kept), c.kept)
		}
	}
}

func TestWhatIsNotedOfReads(t *testing.T) {
	full := make([]byte, maxKept)
	for name, c := range map[string]struct {
		before *conn
		data   []byte
		err    error
		kept   int
		owed   int64
		spent  bool
	}{
		"a request":                  {before: &conn{followed: true}, data: []byte(head), kept: len(head)},
		"more of it":                 {before: &conn{followed: true, kept: []byte(head)}, data: []byte("GET"), kept: len(head) + 3},
		"a body":                     {before: &conn{followed: true, owed: 4}, data: []byte("bo"), owed: 2},
		"a body and the next":        {before: &conn{followed: true, owed: 4}, data: []byte("bodyGET"), kept: 3},
		"as much as is kept":         {before: &conn{followed: true}, data: full, kept: maxKept},
		"more than is kept":          {before: &conn{followed: true, kept: []byte("x")}, data: full, spent: true},
		"the end":                    {before: &conn{followed: true}, err: io.EOF, spent: true},
		"the end, with data":         {before: &conn{followed: true, kept: []byte("x")}, data: []byte("y"), err: io.EOF, spent: true},
		"a deadline":                 {before: &conn{followed: true}, err: os.ErrDeadlineExceeded, spent: true},
		"a deadline for a handler":   {before: &conn{followed: true, taken: true}, err: os.ErrDeadlineExceeded},
		"the end, while handled":     {before: &conn{followed: true, taken: true}, err: io.EOF, spent: true},
		"what nobody follows":        {before: &conn{}, data: []byte(head)},
		"of one that is spent":       {before: &conn{followed: true, spent: true}, data: []byte(head), spent: true},
		"a failure nobody follows":   {before: &conn{}, err: io.EOF},
		"nothing, while handled too": {before: &conn{followed: true, taken: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c.before.note(c.data, c.err)
			if len(c.before.kept) != c.kept || c.before.owed != c.owed || c.before.spent != c.spent {
				t.Errorf("kept are %d bytes, owed %d, spent %v", len(c.before.kept), c.before.owed, c.before.spent)
			}
		})
	}
}

func TestTheEndOfAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		before *conn
		spent  bool
	}{
		"of a handler":               {&conn{taken: true}, false},
		"without a handler":          {&conn{}, true},
		"without all of the body":    {&conn{taken: true, owed: 1}, true},
		"of one that is spent":       {&conn{spent: true, taken: true}, true},
		"of one that left meanwhile": {&conn{gone: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			one := c.before
			idle := one.taken && !c.spent
			one.idle()
			if one.spent != c.spent || idle && one.taken {
				t.Errorf("spent %v, taken %v", one.spent, one.taken)
			}
			if left := time.Until(one.deadline); idle && (left <= 0 || left > idleAtMost) {
				t.Errorf("idle for %v", left)
			}
		})
	}
}

// What an older server has read comes first, in whatever pieces, and is kept as if it had come now.
func TestWhatIsLeftIsReadFirst(t *testing.T) {
	c, far, newer := pair(t)
	c.left = []byte("abcde")
	if _, err := far.Write([]byte("fg")); err != nil {
		t.Fatal(err)
	}
	read := ""
	for len(read) < 7 {
		p := make([]byte, 3)
		n, err := c.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		read += string(p[:n])
	}
	if read != "abcdefg" || string(c.kept) != read {
		t.Errorf("read %q, kept %q", read, c.kept)
	}
	c.left = []byte("hi")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if next := <-newer.conns; string(next.left) != "abcdefghi" || next.resumed || !next.served {
		t.Errorf("handed over are %q, resumed %v", next.left, next.resumed)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after it has left: %v", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("written after it has left: %v", err)
	}
	for what, err := range map[string]error{
		"deadline": c.SetDeadline(time.Now()), "read deadline": c.SetReadDeadline(time.Now()),
		"write deadline": c.SetWriteDeadline(time.Now()), "half a close": c.CloseWrite(),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after it has left: %v", what, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// A read that waits for the client when the connection leaves takes nothing with it.
func TestAReadThatWaitsTakesNothing(t *testing.T) {
	c, far, newer := pair(t)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1000))
		ended <- err
	}()
	waits := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.reading
	}
	for deadline := time.Now().Add(10 * time.Second); !waits(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing tells that a read waits")
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	next := <-newer.conns
	if err := <-ended; !errors.Is(err, net.ErrClosed) || !next.resumed {
		t.Errorf("the read ended with %v; idle: %v", err, next.resumed)
	}
	text := request("next")
	if _, err := io.WriteString(far, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(next, got); err != nil || string(got) != text {
		t.Errorf("the newer configuration reads %q, %v", got, err)
	}
	select {
	case <-newer.conns:
		t.Error("handed over twice")
	default:
	}
}

// An idle connection that changed over has the deadline of its older server until the client sends, and then the time
// that the newer one gives.
func TestDeadlinesOfOneThatChangedOver(t *testing.T) {
	for name, c := range map[string]struct{ given, least, most time.Duration }{
		"none":   {0, 0, 0},
		"a time": {time.Minute, 50 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			one, far, _ := pair(t)
			one.resumed = true
			old := time.Now().Add(time.Hour)
			one.deadline = old
			var given time.Time
			if c.given > 0 {
				given = time.Now().Add(c.given)
			}
			if err := one.SetReadDeadline(given); err != nil || one.deadline != old {
				t.Errorf("the older deadline does not hold: %v, %v", one.deadline, err)
			}
			if _, err := far.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := one.Read(make([]byte, 1)); err != nil || one.resumed {
				t.Errorf("still waiting for the client: %v", err)
			}
			if left := time.Until(one.deadline); one.deadline.IsZero() != (c.given == 0) || c.given > 0 && (left < c.least || left > c.most) {
				t.Errorf("%v are left", left)
			}
			if err := one.SetReadDeadline(old); err != nil || one.deadline != old {
				t.Errorf("a later deadline does not hold: %v, %v", one.deadline, err)
			}
		})
	}
	// What no server of HTTP/1.1 follows has the deadlines that it is given.
	one, _, _ := pair(t)
	one.resumed, one.followed = true, false
	given := time.Now().Add(time.Minute)
	if err := one.SetReadDeadline(given); err != nil || one.deadline != given || one.resumed {
		t.Errorf("deadline %v, %v", one.deadline, err)
	}
}

// Only what a server has left alone between two requests leaves; the rest is closed.
func TestWhoLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(c *conn)
		leaves bool
	}{
		"idle":                 {func(*conn) {}, true},
		"nobody follows it":    {func(c *conn) { c.followed = false }, false},
		"spent":                {func(c *conn) { c.spent = true }, false},
		"written to unasked":   {func(c *conn) { _, _ = c.Write([]byte("x")) }, false},
		"half closed":          {func(c *conn) { _ = c.CloseWrite() }, false},
		"hijacked":             {func(c *conn) { c.hijacked() }, false},
		"no other to go to":    {func(c *conn) { c.share.socket.users = []*share{c.share} }, false},
		"answered":             {func(c *conn) { c.taken = true; _, _ = c.Write([]byte("x")); c.idle() }, true},
		"nobody follows, told": {func(c *conn) { c.followed = false; _, _ = c.Write([]byte("x")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			one, far, newer := pair(t)
			c.edit(one)
			if err := one.Close(); err != nil {
				t.Fatal(err)
			}
			if c.leaves {
				if next := <-newer.conns; next.tcp != one.tcp {
					t.Error("another connection was handed over")
				}
				return
			}
			if _, err := io.ReadAll(far); err != nil {
				t.Errorf("the client does not see its end: %v", err)
			}
			select {
			case <-newer.conns:
				t.Error("it was handed over")
			default:
			}
		})
	}
}

// A server tells the end of an answer after it has closed the connection; one that tells none was made to close it.
func TestClosedWhileHandled(t *testing.T) {
	one, _, newer := pair(t)
	one.taken = true
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	one.idle()
	<-newer.conns
	one.end()
	if err := one.tcp.SetDeadline(time.Time{}); err != nil {
		t.Errorf("one that has left was closed: %v", err)
	}
	forced, far, _ := pair(t)
	forced.taken = true
	forced.end()
	if err := forced.tcp.SetDeadline(time.Time{}); err != nil {
		t.Errorf("closed without being told to: %v", err)
	}
	if err := forced.Close(); err != nil {
		t.Fatal(err)
	}
	forced.end()
	if _, err := io.ReadAll(far); err != nil {
		t.Errorf("the client does not see its end: %v", err)
	}
}

func TestWhoMayCopyInTheKernel(t *testing.T) {
	for name, c := range map[string]struct {
		conn *conn
		raw  bool
	}{
		"fresh": {&conn{}, true}, "left": {&conn{gone: true}, false}, "followed": {&conn{followed: true}, false},
		"secured": {&conn{secured: &secured{}}, false}, "with bytes to be read first": {&conn{left: []byte("x")}, false},
	} {
		c.conn.tcp = &net.TCPConn{}
		if got := Raw(c.conn); (got == net.Conn(c.conn.tcp)) != c.raw {
			t.Errorf("%s: %T", name, got)
		}
	}
	other, _ := net.Pipe()
	if Raw(other) != other {
		t.Error("another's connection became something else")
	}
}

// One that is not counted out would keep a process that finishes until its time is over.
func TestWhatNobodyHasIsNotCounted(t *testing.T) {
	below, _, share := pair(t)
	before := connections()
	// The server follows TLS.
	below.followed = false
	below.enter()
	above := tls.Server(below, &tls.Config{})
	c := &conn{tcp: below.tcp, above: above, share: below.share, secured: &secured{conn: above}}
	share.socket.hand(c, share)
	if got := connections(); got != before {
		t.Errorf("%d are counted", got-before)
	}
}

func TestServersKnowHTTP2ByItsTLS(t *testing.T) {
	above := &tls.Conn{}
	for protocol, own := range map[string]bool{"": true, "http/1.1": true, "http/1.0": true, "h2": false, "acme-tls/1": false} {
		c := &conn{secured: &secured{above, tls.ConnectionState{NegotiatedProtocol: protocol}}}
		if got := ForServer(c); (got == net.Conn(c)) != own || !own && got != net.Conn(above) {
			t.Errorf("%q: %T", protocol, got)
		}
	}
	plain := &conn{}
	if ForServer(plain) != net.Conn(plain) || IsSecured(plain) || !IsSecured(&conn{secured: &secured{}}) {
		t.Error("a plain connection is secured")
	}
}

func TestWhatAWrapperGivesBack(t *testing.T) {
	client := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	c, _, newer := pair(t)
	c.left = []byte("de")
	data := append(make([]byte, 0, 16), "abc"...)
	if !Unread(c, data, client) || string(c.left) != "abcde" || c.RemoteAddr() != net.Addr(client) || !Told(c) || Served(c) {
		t.Errorf("left %q of %v", c.left, c.RemoteAddr())
	}
	if string(data[:5]) == "abcde" {
		t.Error("the caller's buffer was written to")
	}
	if !Unread(c, []byte("-"), nil) || c.RemoteAddr() != net.Addr(client) {
		t.Error("the client was forgotten")
	}
	HandOver(c)
	HandOver(c)
	if next := <-newer.conns; string(next.left) != "-abcde" || next.client != net.Addr(client) || next.served {
		t.Errorf("handed over are %q", next.left)
	}
	select {
	case <-newer.conns:
		t.Error("handed over twice")
	case <-time.After(20 * time.Millisecond):
	}
	other, theirs := net.Pipe()
	if Unread(other, nil, nil) || Told(other) || Served(other) || IsSecured(other) {
		t.Error("another's connection is ours")
	}
	HandOver(other)
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("another's connection is open: %v", err)
	}
}
