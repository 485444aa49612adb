// Package exchange has the record of a request and its answer: it is filled while the request is served, by the dispatcher,
// the policies, the source of upstreams and the transport, and read once when the exchange has ended, by what counts, logs
// and traces.
package exchange
