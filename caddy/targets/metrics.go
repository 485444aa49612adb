package targets

import (
	"cmp"
	"slices"

	"gatewright.dev/caddy/metrics"
)

func init() { metrics.Provide(unhealthyTargets) }

// unhealthyTargets are the addresses that fail their checks, of no more than so many by name.
func unhealthyTargets(most metrics.Most) []metrics.Family {
	family := metrics.Family{
		Name: "gatewright_unhealthy_targets", Type: "gauge", Labels: []string{"ingress", "address"}, Samples: []metrics.Sample{},
		Help: "Addresses that fail their health checks, how many rules each is left out of.",
	}
	named := most.Ingresses
	rules, rest := map[[2]string]float64{}, 0.0
	if all := states.health.Load(); all != nil {
		for row, known := range *all {
			ingress := metrics.NameOf(row)
			for dial := range known.unhealthy {
				if ingress != "" {
					rules[[2]string{ingress, dial}]++
				}
			}
		}
	}
	for at, count := range rules {
		family.Samples = append(family.Samples, metrics.Sample{Labels: at[:], Value: count})
	}
	slices.SortFunc(family.Samples, func(a, b metrics.Sample) int {
		return cmp.Or(cmp.Compare(a.Labels[0], b.Labels[0]), cmp.Compare(a.Labels[1], b.Labels[1]))
	})
	if len(family.Samples) > named {
		for _, sample := range family.Samples[named:] {
			rest += sample.Value
		}
		family.Samples = append(family.Samples[:named], metrics.Sample{Labels: []string{metrics.Other, metrics.Other}, Value: rest})
	}
	return []metrics.Family{family}
}
