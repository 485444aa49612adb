// Package descriptors tells how many files and sockets the process may have open.
package descriptors

import "syscall"

// most is told of a process that may have more, or any number.
const most = 1 << 20

// Most is RLIMIT_NOFILE, but at most 1,048,576; 1024 where the system does not say. Go has raised the soft limit to the
// hard one.
func Most() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, most))
}
