package main

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// runREST sends -count requests of a REST API, made from templates, by some clients at once; each client sends its
// next request when the last one is answered.
func runREST(args []string) error {
	flags := flag.NewFlagSet("rest", flag.ExitOnError)
	target := flags.String("target", "", "host:port that is asked")
	method := flags.String("method", "POST", "HTTP method")
	path := flags.String("path", "/", "path; %d becomes the request's number")
	body := flags.String("body", "", "JSON body; %d becomes the request's number")
	first := flags.Int64("first", 0, "number of the first request")
	count := flags.Int64("count", 1, "requests")
	clients := flags.Int("clients", 1, "keep-alive clients")
	_ = flags.Parse(args)

	paths, bodies := newNames(*path, 1), newNames(*body, 1)
	tallies := make([]*tally, *clients)
	var next atomic.Int64
	if err := printReady(); err != nil {
		return err
	}
	begin := time.Now()
	var workers sync.WaitGroup
	for i := range tallies {
		t := newTally()
		tallies[i] = t
		workers.Add(1)
		go func() {
			defer workers.Done()
			conn := &connection{target: *target}
			defer conn.close()
			for number := next.Add(1) - 1; number < *count; number = next.Add(1) - 1 {
				at := int(*first + number)
				request := restRequest(*method, *target, string(paths.append(nil, at)), string(bodies.append(nil, at)))
				start := time.Now()
				status, err := conn.exchange(request)
				switch {
				case err != nil:
					t.fail(kindOf(err))
				case status < 200 || status > 299:
					t.fail(fmt.Sprintf("status %d", status))
				default:
					t.latencies.record(time.Since(start))
				}
			}
		}()
	}
	workers.Wait()
	return print(reportOf(tallies, time.Since(begin)))
}

func restRequest(method, host, path, body string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.WriteString(body)
	return []byte(b.String())
}
