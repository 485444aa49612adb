package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestLikeNetHTTP compares with net/http over random answers, each from several clients at once over kept connections.
func TestLikeNetHTTP(t *testing.T) {
	answer := func(_, _ int, head string) (string, bool) {
		_, seed, _ := strings.Cut(head, "X-Seed: ")
		var number uint64
		fmt.Sscanf(seed, "%d", &number)
		return randomAnswer(rand.New(rand.NewPCG(number, 7)), strings.HasPrefix(head, "HEAD"))
	}
	t.Run("plain", func(t *testing.T) {
		likeNetHTTP(t, startWire(t, answer).address, "http", provisioned(t, Transport{}))
	})
	t.Run("TLS", func(t *testing.T) {
		likeNetHTTP(t, startSecureWire(t, answer).address, "https", overTLS(t))
	})
}

func likeNetHTTP(t *testing.T, address, scheme string, via http.RoundTripper) {
	std := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer std.CloseIdleConnections()
	outcome := func(via http.RoundTripper, seed int) string {
		method := []string{"GET", "GET", "HEAD", "OPTIONS"}[seed%4]
		r := request(method, address, nil)
		r.URL.Scheme = scheme
		r.Header.Set("X-Seed", fmt.Sprint(seed))
		res, err := via.RoundTrip(r)
		if err != nil {
			return "error"
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return fmt.Sprint(res.Status, res.Header, res.ContentLength, res.TransferEncoding, res.Close, len(body), err != nil, res.Trailer)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 150 {
				seed := worker*1000 + i
				if ours, theirs := outcome(via, seed), outcome(std, seed); ours != theirs {
					t.Errorf("seed %d:\n%s\n%s", seed, ours, theirs)
				}
			}
		})
	}
	all.Wait()
}

func randomAnswer(r *rand.Rand, head bool) (text string, end bool) {
	for range r.IntN(3) {
		text += "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	}
	version := "1.1"
	if r.IntN(8) == 0 {
		version = "1.0"
	}
	status := []string{"200 OK", "404 Not Found", "204 No Content", "304 Not Modified", "302 Found", "500 Oops"}[r.IntN(6)]
	text += "HTTP/" + version + " " + status + "\r\nX-Number: " + fmt.Sprint(r.IntN(1000)) + "\r\n"
	if end = r.IntN(8) == 0; end {
		text += "Connection: close\r\n"
	}
	body := strings.Repeat("b", r.IntN(3)*r.IntN(20_000))
	none := head || strings.HasPrefix(status, "204") || strings.HasPrefix(status, "304")
	switch kind := r.IntN(6); {
	case kind < 3:
		text += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))
	case kind < 5 && version == "1.1":
		text += "Transfer-Encoding: chunked\r\n"
		if r.IntN(2) == 0 {
			text += "Trailer: X-After\r\n"
		}
		text += "\r\n"
		if body != "" {
			body = fmt.Sprintf("%x\r\n%s\r\n", len(body), body)
		}
		body += "0\r\n"
		if strings.Contains(text, "Trailer") {
			body += "X-After: yes\r\n"
		}
		body += "\r\n"
	default:
		text, end = text+"\r\n", true
	}
	if none {
		body = ""
	}
	if r.IntN(15) == 0 && len(body) > 10 {
		return text + body[:len(body)/2], true
	}
	return text + body, end || version == "1.0"
}
