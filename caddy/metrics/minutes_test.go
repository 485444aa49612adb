package metrics

import (
	"testing"
	"time"
)

func TestMinutesAddUpAllIngresses(t *testing.T) {
	alone(t)
	at := time.Unix(1_700_000_040, 0) // The start of a minute.
	end := func(row string, when time.Time, status int) {
		e := ended(status, 0)
		e.Start = when
		i := OfRow(row)
		i.Begin()
		i.End(e, get)
	}
	end("minutes-a/0", at.Add(-time.Hour), 500) // Older than what is told.
	end("minutes-a/0", at, 200)
	end("minutes-b/0", at.Add(59*time.Second), 502)
	end("minutes-b/1", at.Add(2*time.Minute), 404)
	got := Minutes(at.Add(2 * time.Minute))
	want := []Minute{{Start: at.Unix(), Requests: 2, Errors: 1}, {Start: at.Unix() + 120, Requests: 1}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}
