package rehearsal

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	caddyrl "github.com/mholt/caddy-ratelimit"
)

var errUsedUp = errors.New("the rate limit is used up")

// limit tells how much of its rate limit a client has used, without using more of it. The error is that of a client who has
// used it up.
func limit(handler *caddyrl.Handler, r *http.Request, step *Step) error {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return nil
	}
	for _, zone := range handler.RateLimits {
		found := &Limit{Events: zone.MaxEvents, Window: time.Duration(zone.Window).Seconds()}
		step.Limit = found
		if found.Exempt = isExempt(zone, r); found.Exempt {
			continue
		}
		used, err := countOf(zone, repl.ReplaceAll(zone.Key, ""))
		if err != nil {
			step.Verdict, step.Reason = NotAsked, err.Error()
			continue
		}
		if found.Used = used; used >= zone.MaxEvents {
			return caddyhttp.Error(http.StatusTooManyRequests, errUsedUp)
		}
	}
	return nil
}

func isExempt(zone *caddyrl.RateLimit, r *http.Request) bool {
	sets, ok := field(reflect.ValueOf(zone), "matcherSets").Interface().(caddyhttp.MatcherSets)
	return ok && !sets.AnyMatch(r)
}

// countOf is how many events of a key are in the window of a zone now. caddy-ratelimit has no way to ask that takes none of
// them (v0.1.0: `When` reserves), so that its own count is read past its package: of what is not exported, by name.
func countOf(zone *caddyrl.RateLimit, key string) (count int, err error) {
	defer func() {
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("caddy-ratelimit keeps its counts in another way: %v", wrong)
		}
	}()
	limiters := field(reflect.ValueOf(zone), "limitersMap")
	mu := field(limiters, "limitersMu").Addr().Interface().(*sync.Mutex)
	mu.Lock()
	defer mu.Unlock()
	limiter := field(limiters, "limiters").MapIndex(reflect.ValueOf(key))
	if !limiter.IsValid() {
		return 0, nil
	}
	answer := limiter.MethodByName("Count").Call([]reflect.Value{reflect.ValueOf(time.Now())})
	return int(answer[0].Int()), nil
}

// field is a field of what a pointer leads to, exported or not.
func field(pointer reflect.Value, name string) reflect.Value {
	found := pointer.Elem().FieldByName(name)
	return reflect.NewAt(found.Type(), unsafe.Pointer(found.UnsafeAddr())).Elem()
}
