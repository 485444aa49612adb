package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// told is what clients that keep asking met.
type told struct {
	requests, connections atomic.Int64
	mu                    sync.Mutex
	failures              map[string]int
}

func (t *told) fail(reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures[reason]++
}

// steady keeps asking, over one connection for each client as long as it lasts, until the standard input ends; then it prints
// what was met. Bodies can be sent again: a server that goes away rejects what comes too late, and has handled nothing of it.
func steady(address, name string, trust *tls.Config) error {
	met := &told{failures: make(map[string]int)}
	done := make(chan struct{})
	var clients sync.WaitGroup
	for number := range 4 {
		transport := &http3.Transport{
			TLSClientConfig: trust,
			Dial: func(ctx context.Context, _ string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
				met.connections.Add(1)
				return quic.DialAddrEarly(ctx, address, config, settings)
			},
		}
		defer transport.Close()
		client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				met.requests.Add(1)
				if err := ask(client, name, number%2 == 0); err != nil {
					met.fail(err.Error())
				}
			}
		})
	}
	fmt.Println("asking")
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(done)
	clients.Wait()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": met.requests.Load(), "connections": met.connections.Load(), "failures": met.failures,
	})
}

func ask(client *http.Client, name string, posts bool) error {
	method, body := http.MethodGet, io.Reader(nil)
	if posts {
		method, body = http.MethodPost, strings.NewReader(strings.Repeat("x", 3000))
	}
	request, err := http.NewRequest(method, "https://"+name+"/", body)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", method, response.StatusCode)
	}
	return err
}
