package listeners

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"gatewright.dev/caddy/handover"
)

// entered are the connections of this process, whatever they carry.
var entered struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
}

func init() {
	entered.conns = make(map[*conn]struct{})
	handover.Busy(connections)
	handover.OnConnection(fromPredecessor)
	go func() {
		<-handover.Draining()
		retire()
	}()
}

// enter notes a connection until exit. With TLS on it, the one below is noted, which TLS closes.
func (c *conn) enter() {
	if c.secured != nil {
		return
	}
	entered.mu.Lock()
	defer entered.mu.Unlock()
	entered.conns[c] = struct{}{}
}

func (c *conn) exit() {
	entered.mu.Lock()
	defer entered.mu.Unlock()
	delete(entered.conns, c)
}

// connections is how many there are.
func connections() int {
	entered.mu.Lock()
	defer entered.mu.Unlock()
	return len(entered.conns)
}

// retire hands the connections over that wait for a request; others follow when they have had their answer.
func retire() {
	entered.mu.Lock()
	all := make([]*conn, 0, len(entered.conns))
	for c := range entered.conns {
		all = append(all, c)
	}
	entered.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		if c.followed && !c.spent && !c.gone && !c.taken {
			_ = c.goAway()
		}
		c.mu.Unlock()
	}
}

// Stays tells whether the request's connection ends with this process, which is about to end: TLS and HTTP/2 have more
// state than bytes. A client that is told to close it comes again, and finds the successor.
func Stays(r *http.Request) bool {
	if !handover.IsDraining() || r.ProtoMajor != 1 {
		return false
	}
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spent || c.secured != nil
}

// told is what a successor must know of a connection.
type told struct {
	// Listen is the address of the socket that it came to.
	Listen string `json:"listen"`
	// Left is what was read of it and not handled.
	Left []byte `json:"left,omitempty"`
	// Client is the address that a PROXY header told.
	Client string `json:"client,omitempty"`
	Asked  bool   `json:"asked,omitempty"`
	Served bool   `json:"served,omitempty"`
	// Idle is how long it may still be idle, where it waits for a request; 0 for no bound.
	Resumed bool          `json:"resumed,omitempty"`
	Idle    time.Duration `json:"idle,omitempty"`
}

// toSuccessor gives a connection that comes from a configuration to the process that has taken over. False: there is none.
func (c *conn) toSuccessor(at *socket) bool {
	if c.secured != nil || !handover.IsDraining() {
		return false
	}
	t := told{Listen: net.JoinHostPort(at.host, at.port), Left: c.left, Asked: c.asked, Served: c.served, Resumed: c.resumed}
	if c.client != nil {
		t.Client = c.client.String()
	}
	if !c.deadline.IsZero() {
		t.Idle = max(time.Until(c.deadline), time.Millisecond)
	}
	return handover.Give(t, c.tcp)
}

// fromPredecessor takes a connection as if it had come to our socket.
func fromPredecessor(text json.RawMessage, tcp *net.TCPConn) {
	var t told
	if err := json.Unmarshal(text, &t); err != nil {
		_ = tcp.Close()
		return
	}
	mu.Lock()
	at := sockets[t.Listen]
	mu.Unlock()
	if at == nil {
		_ = tcp.Close()
		return
	}
	c := &conn{tcp: tcp, above: tcp, left: t.Left, asked: t.Asked, served: t.Served, resumed: t.Resumed}
	if client, err := netip.ParseAddrPort(t.Client); err == nil {
		c.client = net.TCPAddrFromAddrPort(client)
	}
	if t.Idle > 0 {
		c.deadline = time.Now().Add(t.Idle)
	}
	_ = tcp.SetReadDeadline(c.deadline)
	c.enter()
	go at.hand(c, nil)
}
