package listeners

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeepAliveIsThatOfTheConfiguration(t *testing.T) {
	own := net.KeepAliveConfig{Enable: true, Idle: time.Second}
	for name, c := range map[string]struct {
		config net.ListenConfig
		want   net.KeepAliveConfig
	}{
		"default":             {net.ListenConfig{}, net.KeepAliveConfig{Enable: true}},
		"a time":              {net.ListenConfig{KeepAlive: time.Minute}, net.KeepAliveConfig{Enable: true, Idle: time.Minute}},
		"off":                 {net.ListenConfig{KeepAlive: -1}, net.KeepAliveConfig{}},
		"in full":             {net.ListenConfig{KeepAliveConfig: own}, own},
		"in full, and a time": {net.ListenConfig{KeepAlive: time.Minute, KeepAliveConfig: own}, own},
	} {
		if got := keepAliveOf(c.config); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSocketsThatAreInTheWay(t *testing.T) {
	mu.Lock()
	defer mu.Unlock()
	before := sockets
	defer func() { sockets = before }()
	sockets = map[string]*socket{}
	for _, host := range []string{"", "0.0.0.0", "::", "127.0.0.1", "name.test"} {
		sockets[host] = &socket{host: host, port: "80"}
	}
	sockets["other port"] = &socket{host: "", port: "81"}
	for host, want := range map[string]string{
		"": " 0.0.0.0 127.0.0.1 :: name.test", "::": " 0.0.0.0 127.0.0.1 :: name.test", "127.0.0.2": " 0.0.0.0 ::", "name.test": " 0.0.0.0 ::",
	} {
		var found []string
		for _, one := range overlaps(host, "80") {
			found = append(found, one.host)
		}
		slices.Sort(found)
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%q: %q", host, got)
		}
	}
}

// The newest that accepts has it, but not the one that it comes from; with nobody to have it, it is closed.
func TestWhoGetsAConnection(t *testing.T) {
	c, far, newest := pair(t)
	older := &share{socket: newest.socket, conns: make(chan *conn, 1), accepting: true}
	starting := &share{socket: newest.socket, conns: make(chan *conn, 1)}
	newest.conns = make(chan *conn, 1)
	newest.socket.users = []*share{older, newest, starting}
	newest.socket.hand(c, nil)
	<-newest.conns
	newest.socket.hand(c, newest)
	<-older.conns
	newest.socket.users = []*share{newest}
	newest.socket.hand(c, newest)
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("open, though nobody has it: %v", err)
	}
	if newest.socket.hasOther(newest) || !newest.socket.hasOther(older) {
		t.Error("who else listens is told wrongly")
	}
}
