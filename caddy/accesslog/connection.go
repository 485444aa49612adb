package accesslog

import (
	"net/netip"
	"time"
)

// Connection is a connection of layer 4, or a session of UDP, that has ended.
type Connection struct {
	// Ingress and Rule are "" where no rule takes it; Own is what the rule says of its log.
	Ingress, Rule string
	Own           Mode

	Client netip.Addr
	// Protocol is "tls", "tcp" or "udp", and Host the name that the client asked for, where it names one.
	Protocol, Host string
	Port           uint16

	// Target and Address are where it went; "" where it went nowhere.
	Target, Address string
	// Miss is why no rule takes it, Policy what turned it away, Cause why it failed: a word each. Reason has more words.
	Miss, Policy, Cause, Reason string

	// Connect is the time in which a target was found and connected to; Duration that from the first byte to the end.
	Connect, Duration time.Duration
	Received, Sent    uint64
}

// Connection logs a connection.
func (l *Log) Connection(c *Connection) {
	suppressed, ok := l.wants(c.Own, c.Rule, c.Miss != "" || c.Policy != "" || c.Cause != "")
	if !ok {
		return
	}
	to := lines.Get().(*line)
	to.fields = to.fields[:0]
	to.text("ingress", c.Ingress, maxText)
	to.text("rule", c.Rule, maxText)
	to.text("client", l.settings.Client.Show(c.Client), maxText)
	to.text("protocol", c.Protocol, maxText)
	to.number("port", int64(c.Port))
	to.text("host", c.Host, maxHost)
	to.text("miss", c.Miss, maxText)
	to.text("policy", c.Policy, maxText)
	to.text("cause", c.Cause, maxText)
	to.text("reason", c.Reason, maxReason)
	to.text("target", c.Target, maxText)
	to.text("address", c.Address, maxText)
	to.milliseconds("connect_ms", c.Connect)
	to.milliseconds("duration_ms", c.Duration)
	to.number("received", int64(c.Received))
	to.number("sent", int64(c.Sent))
	to.count("suppressed", suppressed)
	l.write("connection", to.fields)
	lines.Put(to)
}
