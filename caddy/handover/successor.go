package handover

import (
	"cmp"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
)

// join asks the predecessor for its sockets. Without one this process serves.
func join() {
	path := os.Getenv(pathVariable)
	if path == "" {
		inPlace = true
		go func() {
			awaitLoaded()
			close(serving)
		}()
		return
	}
	// One that had this number may have been killed while it finished. And a disk that is full later has room for a file's
	// name, but for no folder.
	unmark()
	_ = os.MkdirAll(filepath.Dir(markFile()), 0o700)
	p, err := dial(path)
	if err == nil {
		err = p.takeSockets()
	}
	if err != nil {
		if p != nil {
			logger().Warn("the process before this one hands nothing over", zap.Error(err))
			_ = p.conn.Close()
		}
		dropInherited()
		go func() {
			awaitLoaded()
			takePlace(path)
		}()
		return
	}
	accept := hold()
	go func() {
		awaitLoaded()
		p.takeOver(accept)
	}()
}

// awaitLoaded waits until Caddy runs a configuration whole: all of its apps have started.
func awaitLoaded() {
	for caddy.ActiveContext().Context == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

func dial(path string) (*peer, error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	p := &peer{conn: conn}
	if err := p.isOurs(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *peer) takeSockets() error {
	drain, err := time.ParseDuration(cmp.Or(os.Getenv(drainVariable), drainTime.String()))
	if err != nil {
		return err
	}
	if err := p.send(message{Kind: hello, Drain: drain}, nil); err != nil {
		return err
	}
	files := make(map[address]*os.File)
	mu.Lock()
	inherited = files
	mu.Unlock()
	for {
		m, file, err := p.receive(answerTime)
		switch {
		case err != nil:
			return err
		case m.Kind == allSockets:
			return nil
		case m.Kind == socketOf && file != nil:
			mu.Lock()
			files[address{m.Network, m.Address}] = file
			mu.Unlock()
		}
	}
}

// takeOver has the predecessor stop accepting, and accepts in its place.
func (p *peer) takeOver(accept func()) {
	err := p.send(message{Kind: ready}, nil)
	if err == nil {
		_, err = p.expect(stopped)
	}
	if err == nil {
		err = p.send(message{Kind: accepting}, nil)
	}
	path := os.Getenv(pathVariable)
	if err != nil && isThere(path) {
		// It did not wait for so long, and accepts again: of two that accept, one would have no admin endpoint.
		logger().Error("the process before this one serves on; this one ends", zap.Error(err))
		os.Exit(1)
	}
	// It has stopped or is gone: the sockets are this process's too.
	accept()
	takePlace(path)
	if err == nil {
		err = p.send(message{Kind: placed}, nil)
	}
	dropInherited()
	if err != nil {
		logger().Warn("the process before this one did not hand over to the end", zap.Error(err))
		_ = p.conn.Close()
		return
	}
	logger().Info("took over from the process before this one")
	go p.takeConnections()
}

// isThere tells whether a process listens at path.
func isThere(path string) bool {
	p, err := dial(path)
	if err == nil {
		_ = p.conn.Close()
	}
	return err == nil
}

// takePlace makes this process the one that a successor finds. One whose configuration fails never is: it may have found a
// predecessor that was too busy to answer, and that serves on.
func takePlace(path string) {
	if err := listenAt(path); err != nil {
		logger().Warn("a next process cannot take over from this one", zap.Error(err))
	}
	mu.Lock()
	defer mu.Unlock()
	for _, call := range whenInPlace {
		call()
	}
	inPlace, whenInPlace = true, nil
	close(serving)
}

// dropInherited closes the sockets that the configuration does not have.
func dropInherited() {
	mu.Lock()
	defer mu.Unlock()
	for key, file := range inherited {
		_ = file.Close()
		delete(inherited, key)
	}
}

// onConnection is asked with each connection of the predecessor.
var onConnection func(told json.RawMessage, conn *net.TCPConn)

// OnConnection has take called with each connection that the predecessor hands over. Called while the program starts.
func OnConnection(take func(told json.RawMessage, conn *net.TCPConn)) { onConnection = take }

// takeConnections ends with the predecessor.
func (p *peer) takeConnections() {
	defer p.conn.Close()
	for {
		m, file, err := p.receive(0)
		if err != nil {
			return
		}
		if file == nil {
			continue
		}
		conn, err := net.FileConn(file)
		_ = file.Close()
		if err != nil {
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok && m.Kind == connection && onConnection != nil {
			onConnection(m.Connection, tcp)
			continue
		}
		_ = conn.Close()
	}
}

func logger() *zap.Logger { return caddy.Log().Named("gatewright.handover") }
