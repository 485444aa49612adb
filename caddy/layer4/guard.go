package layer4

import (
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"
)

// guard keeps a panic over one connection or session from ending the process, as net/http does. It is deferred.
func guard(logger *zap.Logger, end func() error) {
	if failure := recover(); failure != nil {
		_ = end()
		logger.Error("panic over a connection", zap.Any("panic", failure), zap.ByteString("stack", debug.Stack()))
	}
}

// caught is a panic of a helper's goroutine, for the goroutine that it helps.
type caught struct {
	failure any
	stack   []byte
}

func (c *caught) Error() string { return fmt.Sprintf("%v\n%s", c.failure, c.stack) }

// catch runs do, and returns its panic as a *caught when it has called end.
func catch(do func() error, end func()) (err error) {
	defer func() {
		if failure := recover(); failure != nil {
			end()
			err = &caught{failure, debug.Stack()}
		}
	}()
	return do()
}
