package certificates

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"gatewright.dev/caddy/internal/metricstest"
)

func TestOrdersAreCounted(t *testing.T) {
	const name = "counted.example.test"
	before := metricstest.Read(t, "certificate_order")
	tell(t, "cert_obtaining", map[string]any{"identifier": name})
	before.Expect(t, "certificate_order", metricstest.Series{"certificate_orders_begun_total{false}": 1})
	tell(t, "cert_failed", map[string]any{"identifier": name, "error": errors.New("no"), "renewal": false})
	tell(t, "cert_obtaining", map[string]any{"identifier": name, "renewal": true})
	tell(t, "cert_obtained", map[string]any{"identifier": name, "renewal": true})
	// What nobody wants any more is no failure.
	tell(t, "cert_failed", map[string]any{"identifier": name, "error": context.Canceled})
	tell(t, "cert_obtained", map[string]any{"identifier": ""})
	before.Expect(t, "certificate_order", metricstest.Series{
		"certificate_orders_begun_total{false}": 1, "certificate_orders_begun_total{true}": 1,
		"certificate_orders_failed_total{other,false}": 1, "certificate_orders_issued_total{true}": 1,
		"certificate_order_duration_seconds": 1,
	})
}

func TestCausesOfFailedOrders(t *testing.T) {
	problem := func(kind string, parts ...string) error {
		told := acme.Problem{Type: acme.ProblemTypeNamespace + kind}
		for _, part := range parts {
			told.Subproblems = append(told.Subproblems, acme.Subproblem{Problem: acme.Problem{Type: acme.ProblemTypeNamespace + part}})
		}
		return fmt.Errorf("[a.test] Obtain: %w", told)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	asking := func(timeout time.Duration) error {
		_, err := (&http.Client{Timeout: timeout}).Get("http://" + address)
		return err
	}
	hangs := asking(20 * time.Millisecond)
	_ = listener.Close()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"the rate":            {problem("rateLimited"), "rateLimited"},
		"a CAA record":        {problem("caa"), "caa"},
		"one of several":      {problem("compound", "made-up", "dns"), "dns"},
		"a word of its own":   {problem("x-secret-hostname"), otherCause},
		"another namespace":   {acme.Problem{Type: "about:blank"}, otherCause},
		"nobody listens":      {asking(time.Minute), unreachable},
		"no answer":           {hangs, timeout},
		"a deadline":          {fmt.Errorf("waiting: %w", context.DeadlineExceeded), timeout},
		"a broken connection": {&net.OpError{Op: "read", Err: errors.New("reset")}, unreachable},
		"a URL":               {&url.Error{Op: "Get", Err: x509.UnknownAuthorityError{}}, unreachable},
		"anything":            {errors.New("no space left"), otherCause},
	} {
		if got := causeOf(c.err); got != c.want {
			t.Errorf("%s: %v is %s, not %s", name, c.err, got, c.want)
		}
	}
}

func TestARefusedOrderIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	set(func() { gates.refused["counted-no.test"] = true })
	before := metricstest.Read(t, "certificate_order")
	w.add("gate", "counted-no.test")
	failed := func() (failed float64) {
		for _, moved := range before.Since(t, "certificate_orders_failed") {
			failed += moved
		}
		return failed
	}
	w.until("the refusal", func() bool { return failed() > 0 })
	w.until("it is recorded", func() bool {
		got := attempts.of("counted-no.test")
		return got != nil && got.Failures == 1 && got.TryingSince == nil
	})
	if got := failed(); got != 1 {
		t.Errorf("counted %v times", got)
	}
	set(func() { clear(gates.refused) })
	// It would be tried again in a minute.
	w.credentials = "others"
	w.load()
	w.untilServed("counted-no.test")
	if moved := before.Since(t, "certificate_order"); moved["certificate_orders_issued_total{false}"] != 1 || moved["certificate_orders_begun_total{false}"] != 2 {
		t.Errorf("moved: %v", moved)
	}
}
