// Package listeners adds a network to Caddy's listen addresses whose sockets belong to the process and outlive
// configurations:
//
//	{"apps": {"http": {"servers": {"web": {"listen": ["gatewright/127.0.0.1:8080"]}}}}}
//
// Caddy itself opens another socket on the port for each new configuration (SO_REUSEPORT) and closes the old one. The
// kernel has spread new connections over both, and resets those that wait at the one that is closed. Here one socket
// hands its connections to the newest configuration that accepts.
//
// The sockets lack SO_REUSEPORT: a port that another process serves is an error instead of half of its traffic.
//
// A server that shuts down drops what it has not begun to handle: requests that it reads after its end began, and
// connections that are idle (net/http, conn.serve and closeIdleConns). Plain HTTP/1.1 connections are handed to the
// newest configuration instead, with what was read of them; see Follow.
package listeners

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Network is the name of the network in listen addresses.
const Network = "gatewright"

func init() {
	caddy.RegisterNetwork(Network, listen)
	caddy.RegisterNetwork(UnixNetwork, listenUnix)
	// QUIC has one socket for all configurations already.
	caddyhttp.RegisterNetworkHTTP3(Network, "udp")
}

// listen is a configuration's share of the socket, which is opened for the first of them.
func listen(ctx context.Context, _, host, port string, offset uint, config net.ListenConfig) (any, error) {
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	s := &share{conns: make(chan *conn), closed: make(chan struct{}), keepAlive: keepAliveOf(config)}
	if err := s.open(ctx, host, strconv.FormatUint(first+uint64(offset), 10)); err != nil {
		return nil, err
	}
	// An app whose start failed half-way is not stopped: its servers would go on accepting.
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

// keepAliveOf is what net.ListenConfig would set on each connection.
func keepAliveOf(config net.ListenConfig) net.KeepAliveConfig {
	if !config.KeepAliveConfig.Enable && config.KeepAlive >= 0 {
		return net.KeepAliveConfig{Enable: true, Idle: config.KeepAlive}
	}
	return config.KeepAliveConfig
}

// share is one configuration's listener.
type share struct {
	socket    *socket
	keepAlive net.KeepAliveConfig
	conns     chan *conn
	once      sync.Once
	closed    chan struct{}
	// accepting tells that a server accepts here: before that nothing is handed to it. Guarded by mu.
	accepting bool
	begin     sync.Once
}

func (s *share) Accept() (net.Conn, error) {
	s.begin.Do(func() { s.socket.begin(s) })
	select {
	case <-s.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: s.Addr(), Err: net.ErrClosed}
	case c := <-s.conns:
		c.share = s
		if s.keepAlive.Enable {
			// Fails when the client has gone, which the first read tells.
			_ = c.tcp.SetKeepAliveConfig(s.keepAlive)
		}
		return c, nil
	}
}

func (s *share) Addr() net.Addr { return s.socket.listener.Addr() }

// Close ends the share, and the socket with the last one.
func (s *share) Close() (err error) {
	s.once.Do(func() {
		close(s.closed)
		err = s.socket.remove(s)
	})
	return err
}
