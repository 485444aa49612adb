module gatewright.dev/bench/load

go 1.24
