package room

import (
	"fmt"
	"testing"
)

// D9: one client, or one rule, could take every place of the process.
func TestNobodyTakesAllPlaces(t *testing.T) {
	r := New(100, 50, 10)
	enter := func(rule, client string, want int) {
		t.Helper()
		got := 0
		for got < 200 && r.Enter(rule, client) {
			got++
		}
		if got != want {
			t.Errorf("%s of %s took %d places, want %d", client, rule, got, want)
		}
	}
	enter("a", "192.0.2.1", 10)
	enter("b", "192.0.2.1", 0)
	for i := range 4 {
		enter("a", fmt.Sprint("192.0.2.", 2+i), 10)
	}
	enter("a", "192.0.2.9", 0)
	enter("b", "2001:db8:0:1::1", 10)
	enter("b", "2001:db8:0:1::2", 0)
	enter("b", "2001:db8:0:2::2", 10)
	// An IPv4 client is one client in both ways in which its address is written.
	enter("c", "192.0.2.20", 10)
	enter("c", "::ffff:192.0.2.20", 0)
	enter("c", "", 20)
	enter("", "", 0)
	if r.Taken() != 100 {
		t.Errorf("%d are taken", r.Taken())
	}
	r.Leave("a", "192.0.2.1")
	enter("b", "192.0.2.1", 1)
}

func TestPlacesComeBack(t *testing.T) {
	r := New(3, 2, 2)
	for range 100 {
		for _, client := range []string{"192.0.2.1", "2001:db8::1", ""} {
			if !r.Enter("a", client) {
				t.Fatal("no place")
			}
			r.Leave("a", client)
		}
	}
	if r.Taken() != 0 || len(r.rules) != 0 || len(r.clients) != 0 {
		t.Errorf("%d are taken, %v %v", r.Taken(), r.rules, r.clients)
	}
}
