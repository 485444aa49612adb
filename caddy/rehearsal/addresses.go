package rehearsal

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/targets"
)

const (
	// mostAddresses are told of one row.
	mostAddresses = 100
	// mostConnections are made at most, each for connectTime.
	mostConnections = 16
	connectTime     = 3 * time.Second
)

// Addresses has a search look for the addresses of a row, and tells of each what keeps it from taking the request.
func Addresses(ctx context.Context, found *targets.Field, search *targets.Search, policy string) *Upstream {
	up := &Upstream{Policy: policy, Addresses: []*Address{}}
	var left []*Address
	search.Note = func(target int, name, dial string, why error) {
		left = append(left, &Address{Target: target, Name: name, Dial: dial, State: stateOf(why), Reason: why.Error()})
	}
	found.Find(ctx, search)
	for i, candidate := range found.List {
		number, name := found.Target(i)
		up.Addresses = append(up.Addresses, &Address{Target: number, Name: name, Dial: candidate.Dial, State: Ready})
	}
	for _, one := range slices.Backward(left) {
		// Where nothing takes requests it was looked twice.
		if !slices.ContainsFunc(up.Addresses, func(other *Address) bool { return other.Target == one.Target && other.Dial == one.Dial }) {
			up.Addresses = append(up.Addresses, one)
		}
	}
	slices.SortStableFunc(up.Addresses, func(a, b *Address) int { return a.Target - b.Target })
	if up.More = max(len(up.Addresses)-mostAddresses, 0); up.More > 0 {
		up.Addresses = up.Addresses[:mostAddresses]
	}
	return up
}

var states = []struct {
	err   error
	state string
}{
	{targets.ErrDrained, Drained}, {targets.ErrPaused, Paused}, {targets.ErrUnhealthy, Unhealthy}, {targets.ErrUnchecked, Unchecked},
	{targets.ErrEjected, Failing}, {targets.ErrForbidden, Forbidden}, {targets.ErrNoWeight, NoWeight},
	{resolver.ErrNoName, Unknown}, {resolver.ErrNoAddress, NoAddress},
}

func stateOf(why error) string {
	for _, one := range states {
		if errors.Is(why, one.err) {
			return one.state
		}
	}
	return NoAnswer
}

// Choose marks the address that takes the request.
func (u *Upstream) Choose(dial string) {
	for _, one := range u.Addresses {
		one.Chosen = one.Chosen || one.State == Ready && one.Dial == dial
	}
}

// Connect connects to the addresses that could take the request, if the record says so. The error is that of the last one
// where none took the connection.
func (rec *Record) Connect(ctx context.Context, up *Upstream) error {
	if !rec.Connects {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	var all sync.WaitGroup
	failures := make([]error, min(len(up.Addresses), mostConnections))
	for i, one := range up.Addresses[:len(failures)] {
		if one.State != Ready {
			continue
		}
		all.Go(func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", one.Dial)
			if err == nil {
				_ = conn.Close()
			}
			one.Connection, failures[i] = connection(err), err
		})
	}
	all.Wait()
	var last error
	for i, one := range up.Addresses[:len(failures)] {
		if one.State == Ready {
			if failures[i] == nil {
				return nil
			}
			last = failures[i]
		}
	}
	return last
}

func connection(err error) string {
	if err == nil {
		return "open"
	}
	return string(FailureOf(err))
}

// FailureOf is the word for why a connection was not opened.
func FailureOf(err error) exchange.Failure {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return exchange.Refused
	case errors.As(err, &timeout) && timeout.Timeout():
		return exchange.Timeout
	}
	return exchange.Unreachable
}

// StatusOf is the status that the proxy answers with when a connection has failed.
func StatusOf(err error) int {
	if FailureOf(err) == exchange.Timeout {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}
