// Command load is the load generator and the backend of Gatewright's benchmark.
//
// Each subcommand prints one JSON object a line on its standard output: {"ready":true} once it is up, and its report
// when it is done. Those without a -duration or a -count go on until their standard input ends, so that none outlives
// the benchmark that started it. All addresses are loopback addresses.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

var commands = map[string]func(args []string) error{
	"backend":   runBackend,
	"http":      runHTTP,
	"websocket": runWebSockets,
	"rest":      runREST,
	"dns":       runDNS,

	"stream":         runStream,
	"stream-backend": runStreamBackend,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load backend|http|websocket|rest|dns|stream|stream-backend [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "load %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// print writes one line of JSON.
func print(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

// printReady says that what the command is for has begun.
func printReady() error {
	return print(map[string]bool{"ready": true})
}

// inputEnd is closed when the standard input ends.
func inputEnd() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	return ended
}
