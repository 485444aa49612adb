package listeners

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"gatewright.dev/caddy/handover"
)

// UnixNetwork is the name of the network of Unix sockets that belong to the process, for Caddy's admin endpoint:
// `unix-gatewright//run/caddy.sock|0600`. Caddy's own would take the socket's file from the process that runs when another
// one starts; this one has it when it has taken over.
const UnixNetwork = "unix-gatewright"

// defaultMode is Caddy's: write permission for the owner alone.
const defaultMode fs.FileMode = 0o200

var (
	unixMu      sync.Mutex
	unixSockets = make(map[string]*unixSocket)
)

// unixSocket is the process's one listener of a file.
type unixSocket struct {
	path     string
	listener *net.UnixListener
	// file is the socket's own, as opposed to one that somebody has put in its place.
	file  os.FileInfo
	users int
}

// unixShare is one configuration's listener.
type unixShare struct {
	*net.UnixListener
	socket *unixSocket
	once   sync.Once
}

// listenUnix is a configuration's share of the socket, which is opened for the first of them.
func listenUnix(_ context.Context, _, host, _ string, _ uint, _ net.ListenConfig) (any, error) {
	path, modeText, hasMode := strings.Cut(host, "|")
	mode := defaultMode
	if hasMode {
		bits, err := strconv.ParseUint(modeText, 8, 9)
		if err != nil {
			return nil, fmt.Errorf("%q is no mode of a Unix socket", modeText)
		}
		mode = fs.FileMode(bits)
	}
	unixMu.Lock()
	defer unixMu.Unlock()
	at := unixSockets[path]
	if at == nil {
		opened, err := openUnix(path, mode)
		if err != nil {
			return nil, err
		}
		at = opened
		unixSockets[path] = at
	}
	// A descriptor of its own, whose end leaves the others alone.
	file, err := at.listener.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	unix := listener.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	at.users++
	return &unixShare{UnixListener: unix, socket: at}, nil
}

// openUnix listens under another name until this process is the one to be found: at once, or when it has taken over.
func openUnix(path string, mode fs.FileMode) (*unixSocket, error) {
	own := handover.OwnName(path, "a")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: own, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	at := &unixSocket{path: path, listener: listener}
	if err = os.Chmod(own, mode); err == nil {
		at.file, err = os.Lstat(own)
	}
	if err == nil {
		handover.WhenInPlace(func() { err = os.Rename(own, path) })
	}
	if err != nil {
		_ = listener.Close()
		_ = os.Remove(own)
		return nil, err
	}
	return at, nil
}

// Close ends the share, and the socket with the last one.
func (s *unixShare) Close() (err error) {
	s.once.Do(func() {
		err = s.UnixListener.Close()
		unixMu.Lock()
		defer unixMu.Unlock()
		if s.socket.users--; s.socket.users > 0 {
			return
		}
		delete(unixSockets, s.socket.path)
		_ = s.socket.listener.Close()
		if now, statErr := os.Lstat(s.socket.path); statErr == nil && os.SameFile(now, s.socket.file) {
			_ = os.Remove(s.socket.path)
		}
	})
	return err
}
