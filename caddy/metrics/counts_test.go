package metrics

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"gatewright.dev/caddy/exchange"
)

// What is counted of exchanges, each by itself.
func TestWhatAnExchangeCounts(t *testing.T) {
	post := &http.Request{Method: "POST", ProtoMajor: 2}
	var c counts
	c.observe(ended(200, time.Millisecond), get)
	first := ended(502, 30*time.Millisecond, exchange.Attempt{FirstByte: 2 * time.Millisecond, Failure: exchange.Reset}, exchange.Attempt{Failure: exchange.Refused})
	first.Failure = exchange.Refused
	c.observe(first, post)
	// The client's doing is none of an instance's.
	left := ended(499, time.Hour, exchange.Attempt{Failure: exchange.ClientLeft})
	left.Failure, left.Switched = exchange.ClientLeft, 3*time.Millisecond
	c.observe(left, get)
	refused := ended(403, 0)
	refused.Policy, refused.Decision = exchange.ForwardAuth, 4*time.Millisecond
	c.observe(refused, get)
	nowhere := ended(503, 0)
	nowhere.Failure = exchange.NoAddress
	c.observe(nowhere, get)

	want := counts{
		requests: tally[answered]{{answered{status: 200}, 1}, {answered{502, true, 1}, 1}, {answered{status: 499}, 1}, {answered{status: 403}, 1}, {answered{status: 503}, 1}},
		errors:   tally[exchange.Failure]{{exchange.Reset, 1}, {exchange.Refused, 1}, {exchange.NoAddress, 1}},
		refusals: tally[exchange.Policy]{{exchange.ForwardAuth, 1}},
		times: times{
			duration:  durations{[buckets]uint64{3, 1, 0, 1}, 34 * time.Millisecond},
			firstByte: durations{[buckets]uint64{0, 1}, 2 * time.Millisecond},
			decision:  &durations{[buckets]uint64{0, 1}, 4 * time.Millisecond},
		},
		received:   15,
		sent:       35,
		retries:    1,
		ejections:  nil,
		handshakes: nil,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("counted are\n%+v %+v, not\n%+v %+v", c, c.decision, want, want.decision)
	}

	// Twice as much, and taken away again.
	twice := counts{}
	for range 2 {
		twice.add(&c, 1)
		twice.times.add(&c.times, 1)
	}
	if twice.received != 30 || twice.sent != 70 || twice.retries != 2 || twice.duration.sum != 68*time.Millisecond || twice.decision.counts[1] != 2 || twice.errors.of(exchange.Reset) != 2 {
		t.Errorf("twice that are %+v", twice)
	}
	twice.add(&c, -1)
	twice.times.add(&c.times, -1)
	if !reflect.DeepEqual(twice, c) {
		t.Errorf("what is left are %+v", twice)
	}
}

func TestWordsOfStatuses(t *testing.T) {
	for status, want := range map[int]string{0: "none", 99: "none", 777: "7xx", 999: "9xx", 200: "200", 499: "499", 100: "100"} {
		if got := statusText(statusOf(status)); got != want {
			t.Errorf("%d: %s", status, got)
		}
	}
	if got := (answered{10, true, 2}).labels("shop"); !slices.Equal(got, []string{"shop", "unsafe", "10", "3"}) {
		t.Errorf("labels are %v", got)
	}
}

// Beyond so many kinds of answers those that are new count by the first digit.
func TestKindsOfAnswersAreBounded(t *testing.T) {
	var c counts
	const known = http.StatusTeapot
	c.requests.add(answered{status: known}, 1)
	for at := 100; len(c.requests) < maxAnswered; at++ {
		c.requests.add(answered{status: uint16(at)}, 1)
	}
	for _, status := range []int{known, 507, 599} {
		c.observe(ended(status, 0), get)
	}
	if c.requests.of(answered{status: known}) != 2 || c.requests.of(answered{status: 507}) != 0 || c.requests.of(answered{status: 5}) != 2 {
		t.Errorf("%+v", c.requests)
	}
}

func TestWhetherAnythingWasCounted(t *testing.T) {
	var c counts
	if !c.empty() {
		t.Error("there is something before anything")
	}
	// What was taken away again is nothing.
	c.requests.add(answered{}, 0)
	c.ejections.add(EjectedByCheck, 0)
	c.handshakes.add(Failed, 0)
	if !c.empty() {
		t.Error("nothing is something")
	}
	for what, of := range map[string]counts{
		"a request":    {requests: tally[answered]{{answered{}, 1}}},
		"an ejection":  {ejections: tally[Ejection]{{EjectedByCheck, 1}}},
		"a handshake":  {handshakes: tally[Outcome]{{Failed, 0}, {Succeeded, 1}}},
		"the ejection": {ejections: tally[Ejection]{{EjectedByCheck, 0}, {EjectedByRequest, 2}}},
	} {
		if of.empty() {
			t.Errorf("%s is nothing", what)
		}
	}
}

func TestDurationsByBound(t *testing.T) {
	var d durations
	for took, want := range map[time.Duration]int{0: 0, time.Millisecond: 0, time.Millisecond + 1: 1, 5 * time.Millisecond: 1, 10 * time.Second: 8, 10*time.Second + 1: 9, time.Hour: 9} {
		if got := bucketOf(took); got != want {
			t.Errorf("%v: %d", took, got)
		}
		d.observe(took)
	}
	if got := d.samples("shop"); len(got) != 1 || fmt.Sprint(got[0].Counts) != "[2 4 4 4 4 4 4 4 5 7]" || got[0].Count != 7 || got[0].Labels[0] != "shop" {
		t.Errorf("%+v", got)
	}
	var never *durations
	if never.samples("shop") != nil || new(durations).samples("shop") != nil {
		t.Error("nothing has series")
	}
}

// Idle rings are looked for once a minute, and every five seconds while all take too much.
func TestWhenRingsAreLookedAt(t *testing.T) {
	for _, c := range []struct {
		since, bytes int64
		looks        bool
	}{
		{59, 0, false}, {60, 0, true}, {61, 0, true},
		{59, maxRingBytes, false}, {5, maxRingBytes + 1, true}, {4, maxRingBytes + 1, false}, {59, maxRingBytes + 1, true},
	} {
		if got := isDue(c.since, c.bytes); got != c.looks {
			t.Errorf("after %d s with %d bytes: %v", c.since, c.bytes, got)
		}
	}
}
