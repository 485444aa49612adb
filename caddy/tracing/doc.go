// Package tracing makes spans of requests, in OpenTelemetry's terms, and has them sent by OTLP:
//
//	GET shop             the request, as it came to Caddy (server)
//	├─ policies          until an instance is looked for
//	│  └─ GET            the question to forward auth (client)
//	├─ select            looking for an address, waiting included
//	└─ GET               an attempt to have an instance answer (client); a retry is another one
//
// The instance is told of the last one by W3C's traceparent. Names and attributes are those of the semantic conventions;
// there is no query, no header and no token among them, and of the client what the access log tells.
//
// Spans wait in a queue of the process, which reloads leave alone; what finds it full is lost. Nothing waits for a receiver.
package tracing
