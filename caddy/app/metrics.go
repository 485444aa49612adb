package app

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"gatewright.dev/caddy/metrics"
)

// ingressesNamed is how many ingresses have series of their own where the question does not say it.
const ingressesNamed = 1000

func init() { metrics.Ingresses = hostTable.Ingresses }

// getMetrics answers all families of the process.
func getMetrics(r *http.Request) (any, error) {
	ingresses := ingressesNamed
	if text := r.URL.Query().Get("ingresses"); text != "" {
		var err error
		if ingresses, err = strconv.Atoi(text); err != nil || ingresses < 0 {
			return nil, fmt.Errorf("ingresses: %q is not a number", text)
		}
	}
	families, err := metrics.Gather(ingresses)
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
