// Package stderr bounds the file that the standard error of this process goes to.
package stderr

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// limitVariable is the size in bytes at which the file is emptied. Without it nothing is.
	limitVariable = "GATEWRIGHT_STDERR_LIMIT"
	// every is how often the size is looked at.
	every = time.Second
)

// Bound has the file emptied whenever it is larger than GATEWRIGHT_STDERR_LIMIT: what is written there, by Go's runtime and
// by libraries that know no log, has no other end. What is no file that is appended to is left alone.
func Bound() {
	limit, err := strconv.ParseInt(os.Getenv(limitVariable), 10, 64)
	if err != nil || limit <= 0 || !isAppended(os.Stderr) {
		return
	}
	go func() {
		for range time.Tick(every) {
			empty(os.Stderr, limit)
		}
	}()
}

// isAppended tells whether each write goes to the file's end: after the file was emptied, to its beginning.
func isAppended(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_APPEND != 0
}

// empty empties a file that is larger than that.
func empty(file *os.File, limit int64) {
	if info, err := file.Stat(); err == nil && info.Size() > limit {
		_ = file.Truncate(0)
	}
}
