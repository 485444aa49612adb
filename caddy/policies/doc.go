// Package policies has the HTTP handlers of Gatewright's policy sets for which Caddy's own do not do:
//
//	{"handler": "gatewright_forwarded"}                                     X-Real-IP, Forwarded, CDN-Loop
//	{"handler": "gatewright_limit_key", "header": "X-Api-Key"}              what a rate limit counts by
//	{"handler": "gatewright_header_auth"}                                   the header that the row demands
//	{"handler": "gatewright_refuse", "status": 503, "message": "…"}         an error with a text for the client
//	{"handler": "gatewright_count"}                                         counts a refusal by another service
//	{"handler": "gatewright_rewrite", "prefix": "/api", "with": "/v2"}      another path for the instance
//
// and the upstream source of services that are not targets, such as those of forward auth:
//
//	{"source": "gatewright_host", "host": "auth.example.com", "port": 9091}
//
// All work below the handler `gatewright`.
package policies
