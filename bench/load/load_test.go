package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func backend(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go acceptAll(listener)
	return listener.Addr().String()
}

func TestEachHostIsAskedForInTurn(t *testing.T) {
	var seen [5]atomic.Int64
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen[r.Host[1]-'0'].Add(1)
	})
	load := &httpLoad{target: target, connections: 3, hosts: newNames("h%d.test", 5), inTurn: true, count: 10}
	if r := load.run(0, nil); r.Requests != 10 || len(r.Failures) != 0 {
		t.Fatalf("%+v", r)
	}
	for i := range seen {
		if n := seen[i].Load(); n != 2 {
			t.Errorf("host %d was asked for %d times", i, n)
		}
	}
}

func TestFailuresAreCountedByKind(t *testing.T) {
	var n atomic.Int64
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 4:
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		case 6:
			// Without a length and longer than a buffer, it is chunked.
			_, _ = w.Write(make([]byte, 100_000))
		case 7:
			w.Header().Set("Connection", "close")
		}
	})
	load := &httpLoad{target: target, connections: 1, hosts: newNames("h.test", 1), count: 10}
	r := load.run(0, nil)
	if r.Requests != 8 || r.Failures["status 503"] != 1 || r.Failures["closed"] != 1 || len(r.Failures) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestAnOpenLoadCountsTheQueue(t *testing.T) {
	var n atomic.Int64
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			time.Sleep(200 * time.Millisecond)
		}
	})
	load := &httpLoad{target: target, connections: 1, hosts: newNames("h.test", 1), count: 20, rate: 100}
	if r := load.run(0, nil); r.Requests != 20 || r.Latency.P50 < 50_000 {
		t.Errorf("half of the requests were due while the first one held the connection, yet: %+v", r)
	}
}

func TestTheBackendNamesItsAddressAndEchoes(t *testing.T) {
	target := backend(t)
	c := &connection{target: target}
	defer c.close()
	if status, err := c.exchange([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	socket, count := &connection{target: target}, newTally()
	defer socket.close()
	if err := upgrade(socket, "a"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := echo(socket, count); err != nil {
			t.Fatal(err)
		}
	}
	if count.latencies.total != 3 {
		t.Errorf("%d echoes", count.latencies.total)
	}
}

func TestAnswersAreMatchedToQuestionsAndCounted(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		packet := make([]byte, 512)
		for n := 0; ; n++ {
			size, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			if want := "\x04vm-0\x04test\x00"; !strings.Contains(string(packet[:size]), want) {
				t.Errorf("%q does not ask for %q", packet[:size], want)
			}
			packet[2] |= 0x80
			packet[7] = 1
			if n%10 == 9 {
				packet[3], packet[7] = 3, 0
			}
			_, _ = server.WriteTo(packet[:size], from)
			packet[3] = 0
		}
	}()
	load := &dnsLoad{server.LocalAddr().String(), 4, newNames("vm-%d.test", 1)}
	count := newTally()
	if err := load.work(time.Now().Add(100*time.Millisecond), func() int { return 0 }, count); err != nil {
		t.Fatal(err)
	}
	failed := count.failures["rcode 3 with 0 answers"]
	if total := count.latencies.total + failed; total < 10 || failed != total/10 && failed != total/10+1 {
		t.Errorf("of %d answers %d failed; all failures: %v", total, failed, count.failures)
	}
}
