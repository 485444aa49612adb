package app

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"gatewright.dev/caddy/metrics"
)

// mostNamed is how many ingresses have series of their own where the question does not say it.
var mostNamed = metrics.Most{Ingresses: 1000, Histograms: 100}

func init() { metrics.Ingresses = hostTable.Ingresses }

// getMetrics answers all families of the process.
func getMetrics(r *http.Request) (any, error) {
	most := mostNamed
	for key, to := range map[string]*int{"ingresses": &most.Ingresses, "histograms": &most.Histograms} {
		if text := r.URL.Query().Get(key); text != "" {
			var err error
			if *to, err = strconv.Atoi(text); err != nil || *to < 0 {
				return nil, fmt.Errorf("%s: %q is not a number", key, text)
			}
		}
	}
	families, err := metrics.Gather(most)
	return map[string]any{"families": families}, err
}

// getTraffic answers the traffic of an ingress in the last minutes.
func getTraffic(r *http.Request) (any, error) {
	ingress := r.URL.Query().Get("ingress")
	if ingress == "" {
		return nil, errors.New("ingress: its id is missing")
	}
	return metrics.TrafficOf(ingress, time.Now()), nil
}

// getMinutes answers what all ingresses together had in each of the last minutes.
func getMinutes(*http.Request) (any, error) {
	return map[string]any{"minutes": metrics.Minutes(time.Now())}, nil
}
