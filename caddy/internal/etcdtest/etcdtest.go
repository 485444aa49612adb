// Package etcdtest starts an etcd of a test's own.
package etcdtest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/freeport"
)

// Etcd is one member, in a process of its own.
type Etcd struct {
	Endpoint string

	t       testing.TB
	folder  string
	peer    string
	command *exec.Cmd
}

// program is etcd, built from the module of the project's tests by whoever asks first, and kept where these keep theirs.
var program = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	top := filepath.Join(filepath.Dir(here), "../../..")
	source := filepath.Join(top, "test/etcd")
	sums, err := os.ReadFile(filepath.Join(source, "go.sum"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(top, ".cache/programs", fmt.Sprintf("etcdtest-%x", sha256.Sum256(sums))[:25])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// Other packages may build it too.
	partial := fmt.Sprint(path, ".", os.Getpid())
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", partial, ".")
	build.Dir, build.Env, build.Stderr = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), os.Stderr
	if err := build.Run(); err != nil {
		return "", err
	}
	return path, os.Rename(partial, path)
})

// Start starts an etcd, which ends with the test.
func Start(t testing.TB) *Etcd {
	t.Helper()
	e := &Etcd{
		t: t, folder: t.TempDir(),
		Endpoint: "http://127.0.0.1:" + strconv.Itoa(freeport.Find(t)), peer: "http://127.0.0.1:" + strconv.Itoa(freeport.Find(t)),
	}
	t.Cleanup(e.Kill)
	e.Start()
	return e
}

// Start starts it where it left off, and returns when it answers.
func (e *Etcd) Start() {
	e.t.Helper()
	path, err := program()
	if err != nil {
		e.t.Fatalf("etcd cannot be built: %v", err)
	}
	e.command = exec.Command(path, "--name", "one", "--data-dir", filepath.Join(e.folder, "data"),
		"--listen-client-urls", e.Endpoint, "--advertise-client-urls", e.Endpoint,
		"--listen-peer-urls", e.peer, "--initial-advertise-peer-urls", e.peer, "--initial-cluster", "one="+e.peer,
		"--unsafe-no-fsync", "--log-level", "error")
	e.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.command.Start(); err != nil {
		e.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(e.Endpoint + "/health")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("etcd does not answer: %v", err)
		}
	}
}

// Kill ends it at once.
func (e *Etcd) Kill() {
	if e.command != nil {
		_ = e.command.Process.Kill()
		_ = e.command.Wait()
		e.command = nil
	}
}

// Pause has it answer nobody, while its connections stay open.
func (e *Etcd) Pause() { _ = e.command.Process.Signal(syscall.SIGSTOP) }

// Resume ends a pause.
func (e *Etcd) Resume() { _ = e.command.Process.Signal(syscall.SIGCONT) }
