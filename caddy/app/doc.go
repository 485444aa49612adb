// Package app is what Gatewright's handlers have in common: the app `gatewright` of a configuration, the host table of the
// process, and the admin routes `/gatewright/…` that change the table and what is known of targets.
//
// The configuration holds what seldom changes (ports, TLS). Which host goes to which policy set and instance, and what
// these sets are, is the host table: data of the process, changed through the admin routes without a reload.
//
// A configuration that proxies each host of the table to the instance that its row names:
//
//	{
//		"apps": {
//			"gatewright": {
//				"version": "1",
//				"resolver": {"address": "127.0.0.1:5353", "zone": "hypeman.internal", "min_ttl": "30s"},
//				"guard": {"deny_local_ports": [2019, 5353], "allow_loopback": true}
//			},
//			"http": {
//				"servers": {
//					"http-8000": {
//						"listen": ["127.0.0.1:8000"],
//						"automatic_https": {"disable": true},
//						"routes": [{"handle": [{"handler": "gatewright"}]}]
//					}
//				}
//			}
//		}
//	}
//
// With it, `PUT /gatewright/table` gives the rows, and the policy sets that they name:
//
//	{
//		"version": "1",
//		"rows": [{
//			"id": "shop/0", "ingress": "shop", "port": 8000, "host": "{instance}.example.com",
//			"policy": "proxy", "targets": [{"instance": "{instance}", "port": 8080}]
//		}],
//		"policy_sets": {
//			"proxy": {
//				"handle": [{
//					"handler": "reverse_proxy",
//					"dynamic_upstreams": {"source": "gatewright"},
//					"load_balancing": {"retries": 1}
//				}]
//			}
//		}
//	}
package app
