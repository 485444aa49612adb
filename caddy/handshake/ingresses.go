package handshake

import (
	"sync"
	"sync/atomic"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/metrics"
)

// byRow are the handshakes of this process by the row that has the name, which is of an ingress.
var byRow rowCounts

func init() {
	metrics.Provide(func(ingresses int) []metrics.Family { return byRow.families(ingresses, app.HostTable().Has) })
}

type rowCounts struct{ rows sync.Map } // id → *rowCount

type rowCount struct {
	ingress      atomic.Pointer[string]
	good, failed atomic.Uint64
}

func (c *rowCounts) count(id, ingress string, good bool) {
	item, ok := c.rows.Load(id)
	if !ok {
		item, _ = c.rows.LoadOrStore(id, new(rowCount))
	}
	counted := item.(*rowCount)
	if known := counted.ingress.Load(); known == nil || *known != ingress {
		counted.ingress.Store(&ingress)
	}
	if good {
		counted.good.Add(1)
	} else {
		counted.failed.Add(1)
	}
}

// families tells the handshakes of the busiest ingresses, and forgets rows that are gone.
func (c *rowCounts) families(most int, exists func(id string) bool) []metrics.Family {
	good, failed, all := make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
	c.rows.Range(func(key, item any) bool {
		counted := item.(*rowCount)
		name := counted.ingress.Load()
		if !exists(key.(string)) {
			c.rows.Delete(key)
			return true
		}
		if name != nil {
			good[*name] += counted.good.Load()
			failed[*name] += counted.failed.Load()
			all[*name] = good[*name] + failed[*name]
		}
		return true
	})
	family := metrics.Family{
		Name: "gatewright_tls_ingress_handshakes_total",
		Help: "Handshakes of TLS over TCP for the name of an ingress, by outcome.",
		Type: "counter", Labels: []string{"ingress", "outcome"}, Samples: []metrics.Sample{},
	}
	tell := func(ingress string, good, failed uint64) {
		family.Samples = append(family.Samples,
			metrics.Sample{Labels: []string{ingress, "ok"}, Value: float64(good)},
			metrics.Sample{Labels: []string{ingress, "failed"}, Value: float64(failed)})
	}
	busiest := metrics.Busiest(all, most)
	var goodOfOthers, failedOfOthers uint64
	for ingress := range all {
		if busiest[ingress] {
			tell(ingress, good[ingress], failed[ingress])
			continue
		}
		goodOfOthers += good[ingress]
		failedOfOthers += failed[ingress]
	}
	if len(busiest) < len(all) {
		tell(metrics.Other, goodOfOthers, failedOfOthers)
	}
	return []metrics.Family{family}
}
