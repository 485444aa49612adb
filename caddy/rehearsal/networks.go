package rehearsal

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// networkOf names the network that decides about a request: of the route that takes it, else of those that do not. It is ""
// where the client is in none that is named.
func networkOf(routes *caddyhttp.Subroute, r *http.Request) string {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	client, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	var named []string
	for _, route := range routes.Routes {
		ranges := rangesOf(route.MatcherSets)
		if route.MatcherSets.AnyMatch(r) {
			return containing(ranges, client)
		}
		named = append(named, ranges...)
	}
	return containing(named, client)
}

func rangesOf(sets caddyhttp.MatcherSets) (ranges []string) {
	for _, set := range sets {
		for _, matcher := range set {
			switch matcher := matcher.(type) {
			case *caddyhttp.MatchClientIP:
				ranges = append(ranges, matcher.Ranges...)
			case *caddyhttp.MatchNot:
				ranges = append(ranges, rangesOf(matcher.MatcherSets)...)
			}
		}
	}
	return ranges
}

func containing(ranges []string, client netip.Addr) string {
	client = client.Unmap().WithZone("")
	at := slices.IndexFunc(ranges, func(text string) bool {
		prefix, err := caddyhttp.CIDRExpressionToPrefix(text)
		return err == nil && prefix.Contains(client)
	})
	if at < 0 {
		return ""
	}
	return ranges[at]
}
