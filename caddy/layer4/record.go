package layer4

import (
	"net/netip"
	"sync/atomic"
	"time"

	"gatewright.dev/caddy/accesslog"
	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/table"
)

// record is what is noted of a connection while it lasts, for the access log.
type record struct {
	accesslog.Connection
	log            *accesslog.Log
	began          time.Time
	received, sent count
}

// recordOf begins the record of a connection to a row; nil is no row.
func recordOf(log *accesslog.Log, row *table.Row, client netip.AddrPort, port uint16, host string) *record {
	r := &record{log: log, began: time.Now()}
	r.Client, r.Port, r.Host = client.Addr(), port, host
	if row != nil {
		r.Ingress, r.Rule, r.Protocol = row.Ingress(), row.ID(), row.Layer4().Protocol
		r.Own = accesslog.Mode(row.Layer4().AccessLog)
	}
	return r
}

// bytesOf has the bytes of the connection counted with those of its rule.
func (r *record) bytesOf(of *rule) {
	r.received.all, r.sent.all = &of.received, &of.sent
}

// refused notes that `access` has turned the connection away.
func (r *record) refused() {
	r.Policy, r.Reason = string(exchange.Access), "the client's address is not allowed"
}

// failed notes why the connection came to nothing.
func (r *record) failed(err error) { r.Cause, r.Reason = string(failureOf(err)), err.Error() }

// reached notes where the connection goes.
func (r *record) reached(to *destination) {
	r.Connect, r.Target, r.Address = time.Since(r.began), to.origin.Name(), to.dial
}

// end has the connection be logged.
func (r *record) end() {
	r.Duration, r.Received, r.Sent = time.Since(r.began), r.received.own.Load(), r.sent.own.Load()
	r.log.Connection(&r.Connection)
}

// counter counts bytes.
type counter interface{ Add(uint64) uint64 }

// count counts those of a connection and, with others, of its rule.
type count struct {
	own atomic.Uint64
	all *atomic.Uint64
}

// Add counts.
func (c *count) Add(n uint64) uint64 {
	c.all.Add(n)
	return c.own.Add(n)
}
