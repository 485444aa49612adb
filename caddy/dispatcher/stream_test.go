package dispatcher

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/dnstest"
)

// TestWebSocketsSurviveReloads upgrades a connection, reloads, changes the table, and goes on talking.
func TestWebSocketsSurviveReloads(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	echo := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	}))
	defer echo.Close()
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	w.put("t1", w.row("a", "a.test", "web", echo.Listener.Addr().(*net.TCPAddr).Port))
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 101 {
		t.Fatalf("%v %v", response, err)
	}
	say := func(text string) {
		t.Helper()
		fmt.Fprintln(conn, text)
		if got, err := reader.ReadString('\n'); err != nil || got != text+"\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	say("before")
	w.load("c2")
	say("after a reload")
	w.put("t2")
	say("after its row is gone")
}

// TestServerSentEventsPassUnbuffered waits for an event that comes long before the response ends.
func TestServerSentEventsPassUnbuffered(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	release := make(chan struct{})
	events := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(rw, "data: 1\n\n")
		_ = http.NewResponseController(rw).Flush()
		<-release
		fmt.Fprint(rw, "data: 2\n\n")
	}))
	defer events.Close()
	w.dns.Set("web.test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	w.put("t1", w.row("a", "a.test", "web", events.Listener.Addr().(*net.TCPAddr).Port))
	request, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", w.port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "a.test"
	response, err := w.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	reader := bufio.NewReader(response.Body)
	if line, err := reader.ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	close(release)
	if rest, err := io.ReadAll(reader); err != nil || string(rest) != "\ndata: 2\n\n" {
		t.Fatalf("got %q, %v", rest, err)
	}
}
