package listeners

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/crowd"
)

// bounded has a crowd of its own in the place of the process's.
func bounded(t *testing.T, most int) *crowd.Crowd {
	t.Helper()
	before := crowd.Replace(crowd.New(most))
	t.Cleanup(func() { crowd.Replace(before) })
	return crowd.Silent()
}

// from dials as another client of this machine.
func (w *world) from(last byte) net.Conn {
	w.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
	conn, err := dialer.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func askOn(t *testing.T, conn net.Conn) error {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// D9: a port with HTTP alone had no bound for connections that send no request.
func TestWhoSendsNoRequestMakesRoom(t *testing.T) {
	const most = 32
	silent := bounded(t, most)
	w := newWorld(t)
	w.mustLoad("1", at("127.0.0.1", w.port))
	kept := w.from(9)
	if err := askOn(t, kept); err != nil {
		t.Fatal(err)
	}
	slow := w.from(2)
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	var flood []net.Conn
	for range 2 * most {
		flood = append(flood, w.from(2))
	}
	// One client has a quarter of the places: half of those of its port, which has half of all.
	w.eventually("the oldest of the client make room", func() bool { return isClosed(slow) && isClosed(flood[0]) })
	if taken := silent.Taken(); taken > most/4 {
		t.Errorf("%d places are taken", taken)
	}
	if isClosed(flood[len(flood)-1]) {
		t.Error("the newest one has no place")
	}
	if err := askOn(t, w.from(3)); err != nil {
		t.Errorf("another client: %v", err)
	}
	if err := askOn(t, flood[len(flood)-1]); err != nil {
		t.Errorf("one of the flood that sends a request: %v", err)
	}
	// Who had a request is not silent, and stays through a reload.
	w.mustLoad("2", at("127.0.0.1", w.port))
	if err := askOn(t, kept); err != nil {
		t.Errorf("a kept connection: %v", err)
	}
	for _, conn := range flood {
		_ = conn.Close()
	}
	w.eventually("all places are free", func() bool { return silent.Taken() == 0 })
}

// isClosed tells whether the other side has closed a connection on which nothing is to come.
func isClosed(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	_, err := conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// eventually waits until a condition holds.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
	}
}
