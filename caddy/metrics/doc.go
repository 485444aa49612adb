// Package metrics counts what this process does, and tells it as families of series:
//
//	GET /gatewright/metrics?ingresses=1000&histograms=100 → {"families": [{"name": "gatewright_…", "type": "counter", …}]}
//	GET /gatewright/traffic?ingress=<id>   → {"windows": {"60": {"requests": 12, …}, "300": …, "900": …}}
//
// Counts belong to the process: no reload touches them, and the process that a hot upgrade starts counts from zero.
//
// Families whose number of series does not depend on what is served are those of client_golang, in Registry. Those with a
// label for the ingress are told by providers (Provide), which name the busiest ingresses only.
//
// No label has anything of a request but what is one of a few known words: no path, query, client address, header or token.
package metrics
