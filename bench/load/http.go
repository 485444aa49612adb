package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// httpLoad is a load of GET requests over keep-alive connections.
type httpLoad struct {
	target      string
	connections int
	hosts       names
	// secure is how requests go over TLS: "h1", "h2", or "new" for HTTP/1.1 with a connection for each; "" without. A
	// connection has one host then, the name that it was opened with.
	secure string
	seed   uint64
	inTurn bool
	// rate in requests/s makes the load open: a request is due at its time whether or not earlier ones are answered.
	rate float64
	// count ends the load after this many requests; 0: never.
	count int64

	sent atomic.Int64
}

// runHTTP asks for `/` of hosts chosen from a pattern, random by seed or each in turn, as fast as the connections
// allow or at a fixed rate.
func runHTTP(args []string) error {
	flags := flag.NewFlagSet("http", flag.ExitOnError)
	target := flags.String("target", "", "host:port that is asked")
	connections := flags.Int("connections", 32, "keep-alive connections")
	duration := flags.Duration("duration", 0, "how long; 0: until -count or the end of the standard input")
	warmup := flags.Duration("warmup", 0, "load before the measurement begins")
	count := flags.Int64("count", 0, "requests; 0: until -duration")
	pattern := flags.String("hosts", "h%d.bench.test", "hostname; %d becomes a number below -host-count")
	hostCount := flags.Int("host-count", 1, "number of hosts")
	seed := flags.Uint64("seed", 1, "of the random choice")
	inTurn := flags.Bool("in-turn", false, "each host in turn instead of a random choice")
	secure := flags.String("secure", "", "over TLS: h1, h2, or new for a connection for each request")
	rate := flags.Float64("rate", 0, "requests/s, open loop; 0: as fast as the connections allow")
	_ = flags.Parse(args)

	load := &httpLoad{target: *target, connections: *connections, hosts: newNames(*pattern, *hostCount),
		seed: *seed, inTurn: *inTurn, rate: *rate, count: *count, secure: *secure}
	if *warmup > 0 {
		load.run(*warmup, nil)
		load.sent.Store(0)
	}
	var end <-chan struct{}
	if *duration == 0 && *count == 0 {
		end = inputEnd()
	}
	if err := printReady(); err != nil {
		return err
	}
	return print(load.run(*duration, end))
}

func (l *httpLoad) run(duration time.Duration, end <-chan struct{}) report {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	if end != nil {
		go func() {
			<-end
			cancel()
		}()
	}
	tallies := make([]*tally, l.connections)
	choose := l.hosts.choosers(l.seed, l.inTurn)
	begin := time.Now()
	var workers sync.WaitGroup
	for i := range tallies {
		tallies[i] = newTally()
		workers.Add(1)
		go func() {
			defer workers.Done()
			l.work(ctx, begin, choose(i), tallies[i])
		}()
	}
	workers.Wait()
	return reportOf(tallies, time.Since(begin))
}

func (l *httpLoad) work(ctx context.Context, begin time.Time, choose chooser, t *tally) {
	ask, end := l.asker(choose)
	defer end()
	for ctx.Err() == nil {
		number := l.sent.Add(1)
		if l.count > 0 && number > l.count {
			return
		}
		due, ok := l.await(ctx, begin, number)
		if !ok {
			return
		}
		status, err := ask()
		switch {
		case err != nil:
			t.fail(kindOf(err))
			// A server that is away would be asked a million times a second.
			time.Sleep(time.Millisecond)
		case status != 200:
			t.fail(fmt.Sprintf("status %d", status))
		default:
			t.latencies.record(time.Since(due))
		}
	}
}

// await returns the moment from which a request's latency counts. In an open load that is its due time when the
// connection was still busy then, so that a queue counts (no coordinated omission), else the moment it wakes up,
// so that the inexact sleep of the generator does not.
func (l *httpLoad) await(ctx context.Context, begin time.Time, number int64) (time.Time, bool) {
	now := time.Now()
	if l.rate <= 0 {
		return now, true
	}
	due := begin.Add(time.Duration(float64(number-1) / l.rate * float64(time.Second)))
	if !due.After(now) {
		return due, true
	}
	timer := time.NewTimer(due.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Now(), true
	case <-ctx.Done():
		return now, false
	}
}
