package app

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

type addresses struct {
	Names map[string]struct {
		Addresses  []string `json:"addresses"`
		TTLSeconds int      `json:"ttl_seconds"`
		// Unknown tells that there is no such instance.
		Unknown bool `json:"unknown"`
	} `json:"names"`
	Flush bool `json:"flush"`
}

func postAddresses(r *http.Request) error {
	var body addresses
	if err := table.ReadStrict(r.Body, &body); err != nil {
		return err
	}
	parsed := make(map[string][]netip.Addr, len(body.Names))
	var problems []table.Problem
	for name, told := range body.Names {
		if name == "" {
			problems = append(problems, table.Problem{ID: name, Problem: "the name is empty"})
		}
		if told.Unknown && len(told.Addresses) > 0 {
			problems = append(problems, table.Problem{ID: name, Problem: "it is unknown and has addresses"})
		}
		if told.TTLSeconds < 0 {
			problems = append(problems, table.Problem{ID: name, Problem: "ttl_seconds is negative"})
		}
		for i, text := range told.Addresses {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				problems = append(problems, table.Problem{ID: name, Problem: fmt.Sprintf("addresses[%d] %q is not an IP address", i, text)})
				continue
			}
			parsed[name] = append(parsed[name], addr.Unmap())
		}
	}
	if len(problems) > 0 {
		return &table.Refusal{Problems: problems}
	}
	resolvers.Range(func(_, value any) bool {
		names := value.(*resolver.Resolver)
		if body.Flush {
			names.Flush()
		}
		for name, told := range body.Names {
			ttl := time.Duration(told.TTLSeconds) * time.Second
			if told.Unknown {
				names.PushUnknown(name, ttl)
			} else {
				names.Push(name, parsed[name], ttl)
			}
		}
		return true
	})
	return nil
}
