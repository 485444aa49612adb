package certificates

import (
	"os"
	"strconv"
	"time"

	"github.com/caddyserver/certmagic"
)

// ordersVariable is the environment's name of the most orders of an account in a minute. Default: certmagic's ten in ten
// seconds. It is the process's, since certmagic keeps its limiters for as long.
const ordersVariable = "ACME_ORDERS_PER_MINUTE"

// A sixth of them in ten seconds, so that the first names do not use up the minute.
func init() {
	if most, err := strconv.Atoi(os.Getenv(ordersVariable)); err == nil && most > 0 {
		certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = ordersOf(most)
	}
}

func ordersOf(perMinute int) (most int, window time.Duration) {
	if perMinute < 6 {
		return perMinute, time.Minute
	}
	return perMinute / 6, 10 * time.Second
}
