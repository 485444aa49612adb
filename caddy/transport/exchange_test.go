package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func TestTheRequestArrivesWhole(t *testing.T) {
	heads := make(chan string, 1)
	server := startWire(t, func(_, _ int, head string) (string, bool) {
		heads <- head
		return hello, false
	})
	via := provisioned(t, Transport{})
	r := request("GET", server.address, nil)
	r.Header = http.Header{"X-Two": {"a", "b"}, "User-Agent": {""}}
	get(t, via, r)
	want := "GET /path?query HTTP/1.1\r\nHost: shop.example.com\r\nX-Two: a\r\nX-Two: b\r\n\r\n"
	if head := <-heads; head != want {
		t.Errorf("%q", head)
	}
}

func TestABodyMayBeLongerThanAHead(t *testing.T) {
	body := strings.Repeat("b", maxHead+1)
	server := startWire(t, always(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
	if _, got := get(t, provisioned(t, Transport{}), request("GET", server.address, nil)); got != body {
		t.Errorf("%d bytes", len(got))
	}
}

func TestHeadHasNoBody(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	via := provisioned(t, Transport{})
	for range 3 {
		if res, body := get(t, via, request("HEAD", server.address, nil)); res.ContentLength != 5 || body != "" {
			t.Errorf("%d %q", res.ContentLength, body)
		}
	}
	if n := server.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestARequestIsNotRepeatedOnceAnAnswerBegan(t *testing.T) {
	var asked atomic.Int64
	server := startWire(t, func(_, request int, _ string) (string, bool) {
		asked.Add(1)
		if request == 2 {
			return "HTTP/1.1 200 O", true
		}
		return hello, false
	})
	via := provisioned(t, Transport{})
	get(t, via, request("GET", server.address, nil))
	if res, err := via.RoundTrip(request("GET", server.address, nil)); err == nil {
		t.Errorf("status %d", res.StatusCode)
	}
	// On a new connection a silent end is an error as well.
	silent := startWire(t, func(int, int, string) (string, bool) { return "", true })
	if _, err := via.RoundTrip(request("GET", silent.address, nil)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if n := asked.Load() + silent.accepted.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestAClientThatLeaves(t *testing.T) {
	t.Run("before the answer", func(t *testing.T) {
		asked := make(chan struct{})
		server := startWire(t, func(int, int, string) (string, bool) {
			close(asked)
			return "", false
		})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-asked
			cancel()
		}()
		_, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != context.Canceled {
			t.Error(err)
		}
		server.awaitEnd()
	})
	t.Run("in the middle of it", func(t *testing.T) {
		server := startWire(t, always("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"))
		ctx, cancel := context.WithCancel(context.Background())
		res, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Millisecond, cancel)
		if body, err := io.ReadAll(res.Body); err != context.Canceled || string(body) != "hello" {
			t.Error(string(body), err)
		}
		server.awaitEnd()
	})
	t.Run("after it", func(t *testing.T) {
		server := startWire(t, always(hello))
		via := provisioned(t, Transport{})
		for range 3 {
			ctx, cancel := context.WithCancel(context.Background())
			get(t, via, request("GET", server.address, nil).WithContext(ctx))
			cancel()
		}
		if n := server.accepted.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("before it was sent", func(t *testing.T) {
		server := startWire(t, always(hello))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := provisioned(t, Transport{}).RoundTrip(request("GET", server.address, nil).WithContext(ctx))
		if err != context.Canceled {
			t.Error(err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	server := startWire(t, func(_, _ int, head string) (string, bool) {
		if strings.Contains(head, "X-Slow-Body") {
			return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false
		}
		return "", false
	})
	via := provisioned(t, Transport{ResponseHeaderTimeout: caddy.Duration(50 * time.Millisecond)})
	var timeout net.Error
	if _, err := via.RoundTrip(request("GET", server.address, nil)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	server.awaitEnd()
	// The body may take longer than the head.
	slow := request("GET", server.address, nil)
	slow.Header.Set("X-Slow-Body", "yes")
	res, err := via.RoundTrip(slow)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(150*time.Millisecond, func() { server.conns[1].Write([]byte("hello")) })
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hello" {
		t.Error(string(body), err)
	}
}

func TestErrors(t *testing.T) {
	via := provisioned(t, Transport{})
	t.Run("nobody listens", func(t *testing.T) {
		listener, _ := net.Listen("tcp", "127.0.0.1:0")
		listener.Close()
		for _, method := range []string{"GET", "POST"} {
			_, err := via.RoundTrip(request(method, listener.Addr().String(), nil))
			var dialing reverseproxy.DialError
			if !errors.As(err, &dialing) {
				t.Errorf("%s: %T %v", method, err, err)
			}
		}
	})
	for name, text := range map[string]string{
		"a head without end":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Much: "+strings.Repeat("x", 1000)+"\r\n", maxHead/1000),
		"protocols switched":      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
		"no HTTP":                 "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"two lengths that differ": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
	} {
		t.Run(name, func(t *testing.T) {
			server := startWire(t, always(text))
			if res, err := via.RoundTrip(request("GET", server.address, nil)); err == nil {
				t.Errorf("status %d", res.StatusCode)
			}
			server.awaitEnd()
			if n := server.accepted.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
	t.Run("headers that would split the request", func(t *testing.T) {
		server := startWire(t, always(hello))
		for _, header := range []http.Header{{"X-A": {"b\r\nX-C: d"}}, {"X A": {"b"}}, {"X-A:": {"b"}}} {
			r := request("GET", server.address, nil)
			r.Header = header
			if _, err := via.RoundTrip(r); err == nil {
				t.Errorf("%q was sent", header)
			}
		}
		if n := server.accepted.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestInterimAnswersAreTold(t *testing.T) {
	server := startWire(t, always("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"+hello))
	var told []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		told = append(told, fmt.Sprint(code, header.Get("Link")))
		return nil
	}}
	r := request("GET", server.address, nil)
	get(t, provisioned(t, Transport{}), r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if want := []string{"103</a.css>"}; !reflect.DeepEqual(told, want) {
		t.Error(told)
	}
}
