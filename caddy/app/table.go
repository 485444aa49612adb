package app

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"

	"gatewright.dev/caddy/table"
)

// manyRows is the size of a replaced table from which memory is given back to the system afterwards.
const manyRows = 5000

// hostTable is the table of this process. Configurations come and go above it.
var hostTable table.Table

// HostTable is the table of this process.
func HostTable() *table.Table { return &hostTable }

// readTable fills the table of a process that has none yet.
func (a *App) readTable() error {
	if a.TableFile == "" || hostTable.Version() != "" {
		return nil
	}
	file, err := os.Open(a.TableFile)
	if err != nil {
		return fmt.Errorf("table_file: %w", err)
	}
	defer file.Close()
	rows := table.NewRows(nil)
	version, err := table.ReadTable(file, rows.Add)
	if err == nil {
		_, err = hostTable.ReplaceFirst(version, rows)
	}
	if err != nil {
		return fmt.Errorf("table_file %s: %w", a.TableFile, err)
	}
	return nil
}

// newRows refuses rows whose policy set the running configuration lacks.
func newRows() *table.Rows {
	app := Running()
	return table.NewRows(func(policy string) bool { return app != nil && app.knows(policy) })
}

func putTable(r *http.Request) error {
	rows := newRows()
	version, err := table.ReadTable(r.Body, rows.Add)
	if err != nil {
		return err
	}
	if err := hostTable.Replace(version, rows); err != nil {
		return err
	}
	if _, count, _ := hostTable.State(); count >= manyRows {
		giveBack()
	}
	return nil
}

func patchTable(r *http.Request) error {
	var delta table.Delta
	if err := table.ReadStrict(r.Body, &delta); err != nil {
		return err
	}
	if delta.To == "" {
		return errors.New("to is missing or empty")
	}
	rows := newRows()
	for i := range delta.Upsert {
		rows.Add(&delta.Upsert[i])
	}
	return hostTable.Patch(delta.From, delta.To, delta.Remove, rows)
}

var givingBack atomic.Bool

// giveBack returns to the system what reading a big table took and the old one had.
func giveBack() {
	if !givingBack.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer givingBack.Store(false)
		debug.FreeOSMemory()
	}()
}
