package transport

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestConnectionsAreKept(t *testing.T) {
	answers := map[string]string{
		"a length":         hello,
		"no body":          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"204":              "HTTP/1.1 204 No Content\r\n\r\n",
		"304":              "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
		"chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
		"chunks, trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
		"interim answers":  "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + hello,
	}
	ways := map[string]func(text string) (*wire, http.RoundTripper){
		"plain": func(text string) (*wire, http.RoundTripper) {
			return startWire(t, always(text)), provisioned(t, Transport{})
		},
		"TLS": func(text string) (*wire, http.RoundTripper) { return startSecureWire(t, always(text)), overTLS(t) },
	}
	for name, text := range answers {
		for way, start := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				server, via := start(text)
				for range 5 {
					res, body := get(t, via, request("GET", server.address, nil))
					if strings.HasSuffix(text, "hello") && body != "hello" {
						t.Errorf("body %q", body)
					}
					if name == "chunks, trailers" && (body != "hello" || res.Trailer.Get("X-Sum") != "7") {
						t.Errorf("body %q, trailers %v", body, res.Trailer)
					}
				}
				if n := server.accepted.Load(); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		}
	}
}

// TestConnectionsThatCannotBeKept has the server see each of them closed.
func TestConnectionsThatCannotBeKept(t *testing.T) {
	for name, text := range map[string]string{
		"Connection: close":    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"more than the answer": hello + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
		// Of which the buffers take in a part.
		"much more": hello + strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			cannotBeKept(t, startWire(t, always(text)), provisioned(t, Transport{}))
		})
		t.Run(name+", over TLS", func(t *testing.T) {
			cannotBeKept(t, startSecureWire(t, always(text)), overTLS(t))
		})
	}
	t.Run("up to the end of the connection", func(t *testing.T) {
		server := startWire(t, func(int, int, string) (string, bool) { return "HTTP/1.1 200 OK\r\n\r\nhello", true })
		if _, body := get(t, provisioned(t, Transport{}), request("GET", server.address, nil)); body != "hello" {
			t.Errorf("body %q", body)
		}
	})
	t.Run("a body that nobody read to its end", func(t *testing.T) {
		server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
		res, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		res.Body.Close()
		server.awaitEnd()
		if _, err := res.Body.Read(make([]byte, 1)); err == nil {
			t.Error("a closed body was read")
		}
	})
}

func cannotBeKept(t *testing.T, server *wire, via http.RoundTripper) {
	t.Helper()
	for range 3 {
		if _, body := get(t, via, request("GET", server.address, nil)); body != "hello" {
			t.Errorf("body %q", body)
		}
		server.awaitEnd()
	}
}

func TestAKeptConnectionThatTheInstanceClosed(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	for range 20 {
		get(t, via, request("GET", server.address, nil))
		server.closeAll()
		server.awaitEnd()
	}
	if n := server.accepted.Load(); n != 20 {
		t.Errorf("%d connections", n)
	}
}

// TestAKeptConnectionThatEndsWithTheRequest is the race that no look beforehand wins.
func TestAKeptConnectionThatEndsWithTheRequest(t *testing.T) {
	server := startWire(t, func(connection, request int, _ string) (string, bool) {
		if connection == 1 && request == 2 {
			return "", true
		}
		return hello, false
	})
	via := provisioned(t, Transport{})
	for range 3 {
		get(t, via, request("GET", server.address, nil))
	}
	if n := server.accepted.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestAnAnswerWithoutAQuestionIsNobodys(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	server.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	for deadline := time.Now().Add(5 * time.Second); ; {
		c := idle.take(server.address)
		if c == nil {
			break
		}
		// It has not arrived yet.
		idle.put(c)
		if time.Now().After(deadline) {
			t.Fatal("the answer was not noticed")
		}
	}
	if res, _ := get(t, via, request("GET", server.address, nil)); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestConnectionsOutliveConfigurations(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	old := provisioned(t, Transport{})
	post := func(via http.RoundTripper) { get(t, via, request("POST", server.address, nil)) }
	get(t, old, request("GET", server.address, nil))
	post(old)
	renewed := provisioned(t, Transport{})
	if err := old.Cleanup(); err != nil {
		t.Fatal(err)
	}
	old.shared = nil
	get(t, renewed, request("GET", server.address, nil))
	post(renewed)
	if n := server.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestSweep(t *testing.T) {
	server := startWire(t, always(hello))
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	shard := idle.shard(server.address)
	count := func() int {
		shard.mu.Lock()
		defer shard.mu.Unlock()
		return len(shard.conns[server.address])
	}
	shard.sweep(time.Now())
	if n := count(); n != 1 {
		t.Fatalf("%d connections", n)
	}
	shard.sweep(time.Now().Add(idleFor))
	if n := count(); n != 0 {
		t.Errorf("%d connections after their time", n)
	}
	server.awaitEnd()

	get(t, via, request("GET", server.address, nil))
	server.closeAll()
	for deadline := time.Now().Add(5 * time.Second); count() > 0; shard.sweep(time.Now()) {
		if time.Now().After(deadline) {
			t.Fatal("a connection that the instance closed is kept")
		}
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	release := make(chan struct{})
	server := startWire(t, func(int, int, string) (string, bool) {
		<-release
		return hello, false
	})
	via := provisioned(t, Transport{})
	var all sync.WaitGroup
	for range maxIdle + 20 {
		all.Go(func() { get(t, via, request("GET", server.address, nil)) })
	}
	for server.accepted.Load() < maxIdle+20 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	all.Wait()
	for range 20 {
		server.awaitEnd()
	}
	if n := len(idle.shard(server.address).conns[server.address]); n != maxIdle {
		t.Errorf("%d idle connections", n)
	}
}

// lockWitness is a connection's system side that tells whether the shard was locked when it was looked at.
type lockWitness struct {
	syscall.RawConn
	shard    *idleShard
	looks    int
	unlocked bool
}

func (w *lockWitness) Control(func(uintptr)) error {
	w.looks++
	if w.shard.mu.TryLock() {
		w.unlocked = true
		w.shard.mu.Unlock()
	}
	return nil
}

// TestASweepHoldsTheLock: requests take and put connections meanwhile.
func TestASweepHoldsTheLock(t *testing.T) {
	var s idleConns
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(ours, "10.0.0.1:80", &s)
	witness := &lockWitness{shard: s.shard(c.address)}
	c.raw = witness
	s.put(c)
	if kept := witness.shard.sweep(time.Now()); kept != 1 || witness.looks != 1 || witness.unlocked {
		t.Errorf("%d kept after %d looks; without the lock: %v", kept, witness.looks, witness.unlocked)
	}
	c.since = time.Now().Add(-idleFor)
	if kept := witness.shard.sweep(time.Now()); kept != 0 || len(witness.shard.conns) != 0 {
		t.Errorf("%d kept of %d addresses", kept, len(witness.shard.conns))
	}
}
