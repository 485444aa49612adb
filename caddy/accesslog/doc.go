// Package accesslog writes a line of JSON for each request, and each connection of layer 4, that is to be logged:
//
//	{"time":"2026-11-20T22:17:05.123Z","kind":"request","ingress":"shop","status":502,"cause":"refused",…}
//
// Who serves a request only puts its line into a queue. What finds the queue full is left out and counted, and the log
// says how many lines that were: {"time":"…","kind":"dropped","lines":17}.
package accesslog
