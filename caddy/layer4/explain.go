package layer4

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/listeners"
	"gatewright.dev/caddy/rehearsal"
	"gatewright.dev/caddy/table"
	"gatewright.dev/caddy/targets"
)

var errNotAdmitted = errors.New("the client's address is not allowed")

// Explain records where a connection of a row would go; name is the host of the row, for captures.
func Explain(ctx context.Context, row *table.Row, name string, client netip.Addr, rec *rehearsal.Record) {
	rec.Found(row, name)
	s := row.Layer4()
	if len(s.Allow)+len(s.Deny) > 0 {
		network, admitted := s.Decide(client)
		// By the name of the policy, since there is no handler.
		step := &rehearsal.Step{Handler: "access", Verdict: rehearsal.Passed}
		if network.IsValid() {
			step.Network = network.String()
		}
		if !admitted {
			step.Verdict, step.Reason, rec.Err = rehearsal.Refused, errNotAdmitted.Error(), errNotAdmitted
			rec.Cause = step.Handler
		}
		if rec.Steps = append(rec.Steps, step); !admitted {
			return
		}
	}
	running := app.Running()
	if running == nil {
		return
	}
	rule, policy, key := ruleOf(row.ID()), s.Policy, ""
	switch policy {
	case "":
		policy = "round_robin"
	case "ip_hash":
		key = client.String()
	}
	where := &dialer{row, name, rule, running.Addresses(), &running.Guard, client}
	search := where.search()
	var found targets.Field
	if rec.Upstream = rehearsal.Addresses(ctx, &found, &search, policy); len(found.List) == 0 && found.Failing {
		// Better one that has failed than none, as reach has it.
		search.Passive = nil
		rec.Upstream = rehearsal.Addresses(ctx, &found, &search, policy)
	}
	if len(found.List) == 0 {
		rec.Err = found.Err()
		rec.Upstream.Error, rec.Cause = rec.Err.Error(), string(targets.Cause(rec.Err))
		return
	}
	if index, sure := found.Sure(policy, key); sure {
		rec.Upstream.Choose(found.List[index].Dial)
	}
	if s.Protocol == "udp" {
		return
	}
	if rec.Err = rec.Connect(ctx, rec.Upstream); rec.Err != nil {
		rec.Cause = string(rehearsal.FailureOf(rec.Err))
	}
}

// Listens tells whether the running configuration has a port of its own for connections ("tcp") or packets ("udp"). Ports of
// HTTP servers, which have a front door too, are not among them.
func Listens(network string, port uint16) bool {
	loaded, err := caddy.ActiveContext().AppIfConfigured("gatewright_layer4")
	if err != nil {
		return false
	}
	a, ok := loaded.(*App)
	if !ok {
		return false
	}
	if network == "udp" {
		return slices.ContainsFunc(a.UDP, func(text string) bool {
			at, err := netip.ParseAddrPort(text)
			return err == nil && at.Port() == port
		})
	}
	return slices.ContainsFunc(a.TCP, func(server *Server) bool { return listeners.HavePort(server.Listen, port) })
}
