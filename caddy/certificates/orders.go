package certificates

import (
	"os"
	"strconv"
	"time"

	"github.com/caddyserver/certmagic"

	"gatewright.dev/caddy/handover"
)

// ordersVariable is the environment's name of the most orders of an account in a minute. Default: certmagic's ten in ten
// seconds. It is the process's, since certmagic keeps its limiters for as long.
const ordersVariable = "ACME_ORDERS_PER_MINUTE"

// A process that another one replaces finishes the orders that are under way: the authority has them, and nobody else has their
// keys. It begins none any more (see Authority.order).
func init() { handover.Busy(attempts.underWay) }

// A sixth of them in ten seconds, so that the first names do not use up the minute.
func init() {
	if most, ok := perMinute(os.Getenv(ordersVariable)); ok {
		certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = ordersOf(most)
	}
}

// perMinute reads the variable; anything that is no number above 0 stands for the default.
func perMinute(text string) (most int, ok bool) {
	most, err := strconv.Atoi(text)
	return most, err == nil && most > 0
}

func ordersOf(perMinute int) (most int, window time.Duration) {
	if perMinute < 6 {
		return perMinute, time.Minute
	}
	return perMinute / 6, 10 * time.Second
}
