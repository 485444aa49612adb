// Package dispatcher is the handler `gatewright`: it decides which row of the host table takes a request, has the row's
// policy set handle it, and answers what goes wrong.
package dispatcher
