package etcdstorage

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/etcdtest"
)

func stateOf(zones map[string]map[string]limitCount, at time.Time) []byte {
	var text bytes.Buffer
	_ = gob.NewEncoder(&text).Encode(limits{at, zones})
	return text.Bytes()
}

func TestCountsReachOthersByTheirClock(t *testing.T) {
	etcd := etcdtest.Start(t)
	var gateways []*Counts
	for range 2 {
		s := open(t, etcd, nil)
		one := &Counts{Zones: []string{"asked"}, cluster: s.cluster}
		s.cluster.counts.ask(one.Zones, 1)
		go s.cluster.watchCounts()
		gateways = append(gateways, one)
	}
	// The clock of the one is an hour behind.
	then := time.Now().Add(-time.Hour)
	state := stateOf(map[string]map[string]limitCount{
		"asked": {"a": {3, then.Add(-10 * time.Second)}, "gone": {0, then}}, "of one gateway": {"a": {5, then}},
	}, then)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		must(t, gateways[0].Store(t.Context(), "rate_limit/instances/x.rlstate", state))
		keys, err := gateways[1].List(t.Context(), "rate_limit/instances", false)
		must(t, err)
		if len(keys) == 0 && time.Now().Before(deadline) {
			continue
		}
		text, err := gateways[1].Load(t.Context(), strings.Join(keys, ""))
		must(t, err)
		var got limits
		must(t, gob.NewDecoder(bytes.NewReader(text)).Decode(&got))
		a := got.Zones["asked"]["a"]
		if len(got.Zones) != 1 || len(got.Zones["asked"]) != 1 || a.Count != 3 {
			t.Errorf("the other is told %+v", got.Zones)
		}
		if age := got.Timestamp.Sub(a.OldestEvent).Round(time.Second); time.Since(got.Timestamp) > time.Minute || age != 10*time.Second {
			t.Errorf("it is of %v, and the oldest event %v older", got.Timestamp, age)
		}
		break
	}
	// A process's own state is none of the others'.
	if keys, _ := gateways[0].List(t.Context(), "", false); len(keys) != 0 {
		t.Errorf("it counts itself: %v", keys)
	}
	// It goes with its process.
	gateways[0].cluster.session.Orphan()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if keys, _ := gateways[1].List(t.Context(), "", false); len(keys) == 0 {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the counts of a process that died stay")
		}
	}
}

// TestWhatIsToldIsBounded: however many clients there are, etcd is written so much and no more.
func TestWhatIsToldIsBounded(t *testing.T) {
	c := &counts{zones: map[string]int{"z": 1}, others: map[string]limits{}}
	if c.due(limits{Zones: map[string]map[string]limitCount{"z": {"a": {}}}}) != nil {
		t.Error("nothing was counted, and it is told")
	}
	many := map[string]limitCount{}
	for i := range 10_000 {
		many[fmt.Sprintf("ingress/0/192.0.%d.%d", i/256, i%256)] = limitCount{1 + i%100, time.Now()}
	}
	text := c.due(limits{Timestamp: time.Now(), Zones: map[string]map[string]limitCount{"z": many}})
	var got limits
	must(t, gob.NewDecoder(bytes.NewReader(text)).Decode(&got))
	for key, one := range got.Zones["z"] {
		if one.Count < 90 {
			t.Fatalf("%s has counted %d, and others more", key, one.Count)
		}
	}
	if len(got.Zones["z"]) != mostKeys {
		t.Errorf("%d keys are told", len(got.Zones["z"]))
	}
	if wait := time.Until(c.next); wait < time.Duration(len(text)-1000)*time.Second/octetsPerSecond {
		t.Errorf("%d octets may be followed by others in %v", len(text), wait)
	}
	if c.due(limits{Zones: map[string]map[string]limitCount{"z": many}}) != nil {
		t.Error("it is told twice in a moment")
	}
	// The end of the counts is told once.
	c.next = time.Time{}
	if c.due(limits{}) == nil {
		t.Error("the end is not told")
	}
	c.next = time.Time{}
	if c.due(limits{}) != nil {
		t.Error("the end is told twice")
	}
}
