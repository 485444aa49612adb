package targets

import (
	"context"
	"errors"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/resolver"
)

// Cause is the word for why there is no address.
func Cause(err error) exchange.Failure {
	for _, known := range causes {
		if errors.Is(err, known.err) {
			return known.failure
		}
	}
	return exchange.Unanswered
}

// causes are in the order in which they are asked. What is not here is an error of the DNS.
var causes = []struct {
	err     error
	failure exchange.Failure
}{
	{context.Canceled, exchange.ClientLeft},
	{errRefused, exchange.Guarded},
	{ErrForbidden, exchange.Guarded},
	{ErrDrained, exchange.Drained},
	{ErrPaused, exchange.Paused},
	{ErrUnhealthy, exchange.Unhealthy},
	{ErrUnchecked, exchange.Unhealthy},
	{ErrEjected, exchange.Unhealthy},
	{ErrNotWoken, exchange.Asleep},
	{ErrTooManyWakes, exchange.Asleep},
	{ErrWaking, exchange.Asleep},
	{ErrTooManyWait, exchange.Full},
	{errNoTargets, exchange.NoAddress},
	{ErrNoWeight, exchange.Drained},
	{resolver.ErrNoAddress, exchange.NoAddress},
}
