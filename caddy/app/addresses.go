package app

import (
	"fmt"
	"net/http"
	"net/netip"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

type addresses struct {
	Names map[string]struct {
		Addresses []string `json:"addresses"`
		// Unknown tells that there is no such instance.
		Unknown bool `json:"unknown"`
	} `json:"names"`
	Flush bool `json:"flush"`
	// Known are addresses of instances, asked for or not; with Reset they are all that there are.
	Known map[string][]string `json:"known"`
	Reset bool                `json:"reset"`
}

func postAddresses(r *http.Request) error {
	var body addresses
	if err := table.ReadStrict(r.Body, &body); err != nil {
		return err
	}
	refusal := &table.Refusal{}
	pushed := make(map[string][]netip.Addr, len(body.Names))
	for name, told := range body.Names {
		pushed[name] = parseAddresses(name, told.Addresses, refusal)
		if told.Unknown && len(told.Addresses) > 0 {
			refusal.Problems = append(refusal.Problems, table.Problem{ID: name, Problem: "it is unknown and has addresses"})
		}
	}
	known := make(map[string][]netip.Addr, len(body.Known))
	for name, texts := range body.Known {
		known[name] = parseAddresses(name, texts, refusal)
	}
	if len(refusal.Problems) > 0 {
		return refusal
	}
	resolvers.Range(func(_, value any) bool {
		names := value.(*resolver.Resolver)
		if body.Reset || len(known) > 0 {
			names.Tell(known, body.Reset)
		}
		if body.Flush {
			names.Flush()
		}
		for name, told := range body.Names {
			if told.Unknown {
				names.PushUnknown(name)
			} else {
				names.Push(name, pushed[name])
			}
		}
		return true
	})
	return nil
}

// parseAddresses reads the addresses of a name, and adds what is wrong with them.
func parseAddresses(name string, texts []string, refusal *table.Refusal) (addrs []netip.Addr) {
	if name == "" {
		refusal.Problems = append(refusal.Problems, table.Problem{ID: name, Problem: "the name is empty"})
	}
	for i, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			refusal.Problems = append(refusal.Problems, table.Problem{ID: name, Problem: fmt.Sprintf("addresses[%d] %q is not an IP address", i, text)})
			continue
		}
		addrs = append(addrs, addr.Unmap())
	}
	return addrs
}
