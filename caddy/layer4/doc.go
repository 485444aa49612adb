// Package layer4 is the front door of TCP ports, and takes connections to the targets of Gatewright's host table: TLS by
// the name that the client asks for, without decrypting it, TCP and UDP by port. Targets are found as in the HTTP proxy,
// by DNS when a connection comes.
//
// It has the listener wrapper `gatewright` for ports of HTTP, and the app `gatewright_layer4` for the others. UDP has
// sockets of its own, which reloads leave alone.
//
// What is counted of a rule (connections, bytes, failures) belongs to the process.
package layer4
