package handover_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// The connections that wait for a request go to the successor, those in the middle of one too, and then the predecessor ends.
func TestOneAfterAnother(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	idle, half, fresh := w.dial(), w.dial(), w.dial()
	for _, c := range []*client{idle, half} {
		if got := c.ask(); got != "one" {
			t.Fatalf("%q answers", got)
		}
	}
	half.send(request[:20])
	fresh.send(request[:10])
	two := w.start("two", "", "serves")
	<-one.ended
	if got := idle.ask(); got != "two" {
		t.Errorf("an idle connection is %q's", got)
	}
	half.send(request[20:])
	fresh.send(request[10:])
	if got := half.receive() + fresh.receive(); got != "twotwo" {
		t.Errorf("half a request is answered by %q", got)
	}
	w.start("three", "", "serves")
	// Meanwhile either may answer.
	w.awaitBody("two", "three")
	<-two.ended
	if got := idle.ask(); got != "three" {
		t.Errorf("an idle connection is %q's", got)
	}
}

const accepts = `{"kind":"accepting"}`

// A successor that dies before it is ready has taken nothing, nor has one that dies before it accepts.
func TestASuccessorThatDies(t *testing.T) {
	w := newWorld(t)
	w.start("one", "", "serves")
	never := w.start("never", filepath.Join(t.TempDir(), "gate"), "waits")
	_ = never.Process.Kill()
	<-never.ended
	kept := w.dial()
	if got := kept.ask(); got != "one" {
		t.Fatalf("%q answers", got)
	}
	for _, says := range []string{`{"kind":"ready"}`, accepts, `{"kind":"nonsense"}`, "nonsense"} {
		successor := w.successor()
		successor.send(`{"kind":"hello"}`)
		if got := successor.receive(); !strings.Contains(got, `"socket"`) {
			t.Fatalf("said %s", got)
		}
		if got := successor.receive(); got != `{"kind":"all"}` {
			t.Fatalf("said %s", got)
		}
		if says == accepts {
			successor.send(`{"kind":"ready"}`)
		} else {
			successor.send(says)
		}
		if says == `{"kind":"ready"}` || says == accepts {
			if got := successor.receive(); got != `{"kind":"stopped"}` {
				t.Fatalf("said %s", got)
			}
		}
		if says == accepts {
			successor.send(says)
		}
		// Nobody accepts where it has stopped: this waits in the queue.
		waiting := w.dial()
		waiting.send(request)
		successor.conn.Close()
		if got := waiting.receive() + kept.ask(); got != "oneone" {
			t.Fatalf("%q answer", got)
		}
	}
	w.start("two", "", "serves")
	w.awaitBody("one", "two")
}

// successor is a process that says what the test has it say.
type successor struct {
	t    *testing.T
	conn *net.UnixConn
}

func (w *world) successor() *successor {
	w.t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: w.path, Net: "unixpacket"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &successor{w.t, conn}
}

func (s *successor) send(text string) {
	s.t.Helper()
	if _, err := s.conn.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *successor) receive() string {
	s.t.Helper()
	text := make([]byte, 1000)
	n, err := s.conn.Read(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text[:n])
}

// A predecessor that dies while its successor starts has left its sockets: what comes meanwhile waits.
func TestAPredecessorThatDies(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	gate := filepath.Join(t.TempDir(), "gate")
	two := w.start("two", gate, "waits")
	_ = one.Process.Kill()
	<-one.ended
	waiting := w.dial()
	waiting.send(request)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	two.await(t, "serves")
	if got := waiting.receive(); got != "two" {
		t.Errorf("%q answers", got)
	}
	w.start("three", "", "serves")
	w.awaitBody("two", "three")
}

// A predecessor that does not answer in time serves on, and can be taken over from when it answers again.
func TestAPredecessorThatHangs(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	_ = one.Process.Signal(syscall.SIGSTOP)
	late := w.launch("late", "")
	select {
	case said := <-late.said:
		if !strings.Contains(said, "address already in use") {
			t.Fatalf("said %q", said)
		}
	case <-time.After(time.Minute):
		t.Fatal("the process hangs")
	}
	<-late.ended
	_ = one.Process.Signal(syscall.SIGCONT)
	if got := w.dial().ask(); got != "one" {
		t.Fatalf("%q answers", got)
	}
	w.start("two", "", "serves")
	w.awaitBody("one", "two")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(w.path), ".h*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// What is left by a process that was killed is in nobody's way.
func TestAFileThatIsLeft(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	_ = one.Process.Kill()
	<-one.ended
	w.start("two", "", "serves")
	if got := w.dial().ask(); got != "two" {
		t.Errorf("%q answers", got)
	}
	// It may be found once it serves.
	info, err := os.Lstat(w.path)
	for over := time.Now().Add(30 * time.Second); err != nil && time.Now().Before(over); info, err = os.Lstat(w.path) {
		time.Sleep(time.Millisecond)
	}
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
