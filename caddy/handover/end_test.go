package handover_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// What never finishes is cut when the time is over: Caddy alone would wait for it.
func TestTheTimeToFinishIsBounded(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	hanging := w.dial()
	hanging.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if response, err := http.ReadResponse(hanging.reader, nil); err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	// The successor says how long.
	t.Setenv("GATEWRIGHT_DRAIN_TIMEOUT", "100ms")
	w.start("two", "", "serves")
	select {
	case <-one.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it never ends")
	}
	if left, _ := os.ReadDir(filepath.Join(filepath.Dir(w.path), "draining")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// The file of one that finishes says until when twice: a full disk leaves its own times alone.
func TestTheMarkOfOneThatFinishes(t *testing.T) {
	w := newWorld(t)
	one := w.start("one", "", "serves")
	hanging := w.dial()
	hanging.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if response, err := http.ReadResponse(hanging.reader, nil); err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	w.start("two", "", "serves")
	mark := filepath.Join(filepath.Dir(w.path), "draining", strconv.Itoa(one.Process.Pid))
	var said struct{ Since, Until time.Time }
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(mark)
		info, err := os.Stat(mark)
		if json.Unmarshal(text, &said) == nil && err == nil && info.ModTime().Equal(said.Until) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, %v", text, info, err)
		}
	}
	if got := said.Until.Sub(said.Since); got != 10*time.Minute {
		t.Errorf("it may take %v", got)
	}
	_ = one.Process.Kill()
	<-one.ended
}

// A number that belonged to a process which was killed while it finished is not taken for it.
func TestANumberThatIsUsedAgain(t *testing.T) {
	w := newWorld(t)
	marks := filepath.Join(filepath.Dir(w.path), "draining")
	if err := os.Mkdir(marks, 0o700); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(marks, strconv.Itoa(os.Getpid()))
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The shell has the number that the process will have.
	w.command = func() *exec.Cmd {
		return exec.Command("sh", "-c", `: > "$1/$$"; exec "$0"`, os.Args[0], marks)
	}
	one := w.start("one", "", "serves")
	if _, err := os.Stat(filepath.Join(marks, strconv.Itoa(one.Process.Pid))); !os.IsNotExist(err) {
		t.Errorf("it counts as one that finishes: %v", err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("another's file has gone: %v", err)
	}
}
