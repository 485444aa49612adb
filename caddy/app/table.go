package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
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

// readTable fills the table of a process that has none yet. The lock of policySets is held.
func (a *App) readTable() error {
	if a.TableFile == "" || hostTable.Version() != "" {
		return nil
	}
	file, err := os.Open(a.TableFile)
	if err != nil {
		return fmt.Errorf("table_file: %w", err)
	}
	defer file.Close()
	rows := table.NewRows()
	head, err := table.ReadTable(file, rows.Add)
	if err == nil {
		if head.PolicySets == nil {
			head.PolicySets = maps.Clone(a.PolicySets)
		}
		apps := append([]*App{a}, policySets.apps...)
		err = policySets.changeIn(apps, rows, head.PolicySets, func() error { return hostTable.Replace(head.Version, rows) })
	}
	if err != nil {
		return fmt.Errorf("table_file %s: %w", a.TableFile, err)
	}
	return nil
}

// ReplaceTable reads a whole table with its policy sets, and puts it in the place of the one there is.
func ReplaceTable(from io.Reader) error {
	rows := table.NewRows()
	head, err := table.ReadTable(from, rows.Add)
	if err != nil {
		return err
	}
	rows.Staged = head.Staged
	return policySets.change(rows, head.PolicySets, func() error { return hostTable.Replace(head.Version, rows) })
}

func putTable(r *http.Request) error {
	if err := ReplaceTable(r.Body); err != nil {
		return err
	}
	if _, count, _ := hostTable.State(); count >= manyRows {
		giveBack()
	}
	return nil
}

func patchTable(r *http.Request) error { return PatchTable(r.Body) }

// PatchTable reads a delta with the policy sets of its rows, and makes it.
func PatchTable(from io.Reader) error {
	var delta table.Delta
	if err := table.ReadStrict(from, &delta); err != nil {
		return err
	}
	if delta.To == "" {
		return errors.New("to is missing or empty")
	}
	rows := table.NewRows()
	rows.Staged = delta.Staged
	for i := range delta.Upsert {
		rows.Add(&delta.Upsert[i])
	}
	return policySets.change(rows, delta.PolicySets, func() error {
		return hostTable.Patch(delta.From, delta.To, delta.Remove, rows)
	})
}

// commitTable has a staged version be a stored one: its names are ordered from now on.
func commitTable(r *http.Request) error {
	var stored struct {
		Version string `json:"version"`
	}
	if err := table.ReadStrict(r.Body, &stored); err != nil {
		return err
	}
	return hostTable.Commit(stored.Version)
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
