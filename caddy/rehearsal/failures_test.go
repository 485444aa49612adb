package rehearsal

import (
	"fmt"
	"testing"

	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/table"
)

func TestLastFailuresAreBounded(t *testing.T) {
	rows, change := new(table.Table), table.NewRows()
	for i := range mostFailures + 50 {
		change.Add(&table.RowJSON{ID: fmt.Sprint("r/", i), Port: 80, Host: fmt.Sprintf("h%d.test", i), Policy: "p"})
	}
	if err := rows.Replace("1", change); err != nil {
		t.Fatal(err)
	}
	fail := func(row *table.Row, cause exchange.Failure) {
		Failed(&exchange.Exchange{Row: row, Failure: cause, Status: 502})
	}
	all := rows.Select("", "")
	for _, row := range all {
		fail(row, exchange.Refused)
	}
	last := all[len(all)-1]
	fail(last, exchange.Timeout)
	count := 0
	failures.Range(func(_, _ any) bool { count++; return true })
	if count > mostFailures || int64(count) != kept.Load() {
		t.Errorf("%d are kept, counted as %d", count, kept.Load())
	}
	if got := LastFailure(last.ID()); got == nil || got.Cause != "timeout" {
		t.Errorf("the last one: %+v", got)
	}
	if LastFailure("other") != nil {
		t.Error("there is one of a row without")
	}
}
