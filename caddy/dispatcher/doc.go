// Package dispatcher is Gatewright's part of Caddy that decides which rule takes a request: the app
// `gatewright`, the handler `gatewright` and the admin routes `/gatewright/…`.
//
// The configuration holds what seldom changes (ports, TLS, policy sets). Which host goes to which policy set
// and instance is the host table: data of the process, changed through the admin routes without a reload.
package dispatcher
