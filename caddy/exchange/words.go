package exchange

import "gatewright.dev/caddy/table"

// The words of this file are labels: each is one of a few, and none comes from a request.

// Miss is why no row takes a request: one of the table's, or one of these.
type Miss = table.Miss

const (
	// MissTarget is of a request whose target is neither a path nor an http URL.
	MissTarget Miss = "target"
	// MissSNI is of a request for an unknown host over TLS, whose client named none in its handshake either.
	MissSNI Miss = "no_sni"
)

// Misses are all of them.
var Misses = []Miss{
	table.MissPort, table.MissHost, table.MissPath, table.MissMethod, table.MissHeaders, table.MissAddress, table.MissScheme, MissTarget, MissSNI,
}

// Policy is what turned a request away, by its name in a rule where it has one.
type Policy string

// The policies.
const (
	Access            Policy = "access"
	BasicAuth         Policy = "basic_auth"
	ForwardAuth       Policy = "forward_auth"
	Maintenance       Policy = "maintenance"
	MaxRequestBody    Policy = "max_request_body"
	RateLimit         Policy = "rate_limit"
	RequestHeaderAuth Policy = "request_header_auth"
	UncleanPaths      Policy = "unclean_paths"
	// TLSOptions is of a connection that lacks what the row demands of TLS.
	TLSOptions Policy = "tls_options"
	// Loop is of a request that has come by too often.
	Loop Policy = "loop"
	// Lacking is of a rule whose policies the running Caddy has no modules for.
	Lacking Policy = "lacking"
	// OtherPolicy is of a refusal that nobody has put a name to.
	OtherPolicy Policy = "other"
)

// Known is the policy of a name; OtherPolicy of one that is none.
func Known(name string) Policy {
	switch p := Policy(name); p {
	case Access, BasicAuth, ForwardAuth, Maintenance, MaxRequestBody, RateLimit, RequestHeaderAuth, UncleanPaths, TLSOptions, Loop, Lacking:
		return p
	}
	return OtherPolicy
}

// Failure is why a request has no whole answer of an instance.
type Failure string

const (
	// Refused is of an address that takes no connection.
	Refused Failure = "refused"
	// Timeout is of an address that takes longer than it may, to connect or to answer.
	Timeout Failure = "timeout"
	// Unreachable is of an address to which there is no way, or no socket left here.
	Unreachable Failure = "unreachable"
	// Reset is of a connection that the instance closed before it answered.
	Reset Failure = "reset"
	// BrokenAnswer is of an answer that is none of HTTP, or that broke off.
	BrokenAnswer Failure = "broken_answer"
	// TLSFailed is of an instance with which there is no TLS: its certificate, its name, its version.
	TLSFailed Failure = "tls"

	// NoAddress is of targets that have none.
	NoAddress Failure = "no_address"
	// Unanswered is of targets that the DNS gave no answer about.
	Unanswered Failure = "dns"
	// Guarded is of addresses that are never dialled.
	Guarded Failure = "guarded"
	// Drained, Paused and Unhealthy are of targets of which none takes requests.
	Drained   Failure = "drained"
	Paused    Failure = "paused"
	Unhealthy Failure = "unhealthy"
	// Asleep is of an instance that was not awake in time.
	Asleep Failure = "asleep"
	// Full is of a rule for which too many requests wait.
	Full Failure = "full"

	// ClientLeft is of a client that was gone before the answer's end, and ClientFailed of one whose request broke off.
	ClientLeft   Failure = "client_left"
	ClientFailed Failure = "client_failed"

	// OtherFailure is of one that nobody has put a name to.
	OtherFailure Failure = "other"
)

// IsClients tells whether the client and not the instance is why there was no answer.
func (f Failure) IsClients() bool { return f == ClientLeft || f == ClientFailed }
