// Package layer4 takes connections of layer 4 to the targets of Gatewright's host table: TLS by the name that the client
// asks for, without decrypting it, TCP and UDP by port. Targets are found as in the HTTP proxy, by DNS when a
// connection comes.
//
// It has the handler `layer4.handlers.gatewright` for the app and the listener wrapper of caddy-l4, and the app
// `gatewright_udp`. UDP has sockets of its own, which reloads leave alone: those of caddy-l4 belong to one
// configuration, and a session that is under way when it ends gets no further packet.
//
// What is counted of a rule (connections, bytes, failures) belongs to the process.
package layer4
