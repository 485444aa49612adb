package transport

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhatNetHTTPCarries are requests that need reading and writing at once, or another protocol afterwards.
func TestWhatNetHTTPCarries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			conn, buffered, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			io.CopyN(conn, buffered, 4)
			return
		}
		// An answer of more than all buffers, before the body is read.
		if r.Header.Get("X-Early") != "" {
			w.Write(make([]byte, 8<<20))
		}
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	via := provisioned(t, Transport{Options: Options{Upgrade: []string{"echo"}}})
	for _, method := range []string{"POST", "PUT", "GET"} {
		if _, body := get(t, via, request(method, address, strings.NewReader("hello"))); body != "hello" {
			t.Errorf("%s: %q", method, body)
		}
	}
	early := request("POST", address, io.LimitReader(zeros{}, 8<<20))
	early.Header.Set("X-Early", "yes")
	res, err := via.RoundTrip(early)
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := io.Copy(io.Discard, res.Body); n < 8<<20 {
		t.Errorf("%d bytes", n)
	}
	res.Body.Close()

	upgrade := request("GET", address, nil)
	upgrade.Header.Set("Connection", "Upgrade")
	upgrade.Header.Set("Upgrade", "echo")
	if res, err = via.RoundTrip(upgrade); err != nil {
		t.Fatal(err)
	}
	both := res.Body.(io.ReadWriteCloser)
	io.WriteString(both, "ping")
	if back, _ := io.ReadAll(both); string(back) != "ping" {
		t.Errorf("%q", back)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestContentIsPassedOnAsItIs has net/http's part not ask for gzip either.
func TestContentIsPassedOnAsItIs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("Accept-Encoding"))
	}))
	defer server.Close()
	via := provisioned(t, Transport{})
	for _, method := range []string{"GET", "POST"} {
		if _, asked := get(t, via, request(method, server.Listener.Addr().String(), nil)); asked != "" {
			t.Errorf("%s asks for %q", method, asked)
		}
	}
}
