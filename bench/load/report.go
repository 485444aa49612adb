package main

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// report is what a load command prints at its end.
type report struct {
	Requests          uint64            `json:"requests"`
	Seconds           float64           `json:"seconds"`
	RequestsPerSecond float64           `json:"requests_per_second"`
	Failures          map[string]uint64 `json:"failures"`
	Latency           latency           `json:"latency_us"`
}

// tally is what one worker has counted.
type tally struct {
	latencies histogram
	failures  map[string]uint64
}

func newTally() *tally {
	return &tally{failures: make(map[string]uint64)}
}

func (t *tally) fail(kind string) {
	t.failures[kind]++
}

// reportOf adds up what the workers have counted. Requests are those that succeeded.
func reportOf(tallies []*tally, elapsed time.Duration) report {
	sum := newTally()
	for _, t := range tallies {
		sum.latencies.add(&t.latencies)
		for kind, n := range t.failures {
			sum.failures[kind] += n
		}
	}
	return report{
		Requests:          sum.latencies.total,
		Seconds:           elapsed.Seconds(),
		RequestsPerSecond: float64(sum.latencies.total) / elapsed.Seconds(),
		Failures:          sum.failures,
		Latency:           sum.latencies.summary(),
	}
}

// kindOf names the kind of a failure.
func kindOf(err error) string {
	var netError net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	default:
		return err.Error()
	}
}
