package transport

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// websocketAlone is what a connection may be handed over to where nothing else is said.
var websocketAlone = []string{"websocket"}

var errTunnel = errors.New("CONNECT is for the protocols that the rule's upstream may be switched to")

// allowUpgrade leaves of the request's Upgrade the first protocol that is allowed. When there is none it takes the header
// away, and the instance goes on as if nobody had asked (RFC 9110 section 7.8).
//
// What follows a 101 is not read here. A client that spoke HTTP/2 then (`Upgrade: h2c`) would get past the rules of
// paths, and past the headers that tell the instance who it is.
//
// HTTP/2 and 3 have CONNECT with a protocol instead (RFC 8441), of which the proxy has made an upgrade for WebSocket. That
// cannot go on without: the answer would pass for the beginning of a tunnel.
func allowUpgrade(r *http.Request, allowed []string) error {
	if r.Method == http.MethodConnect {
		return caddyhttp.Error(http.StatusNotImplemented, errTunnel)
	}
	// It belongs to an upgrade to h2c, which is never allowed (RFC 9113 section 3.1 has done away with both).
	delete(r.Header, "Http2-Settings")
	asked, ok := r.Header["Upgrade"]
	if !ok {
		return nil
	}
	if chosen := firstAllowed(asked, allowed); chosen != "" && r.ProtoAtLeast(1, 1) {
		r.Header["Upgrade"] = []string{chosen}
		return nil
	}
	if r.ProtoMajor > 1 {
		return caddyhttp.Error(http.StatusNotImplemented, errTunnel)
	}
	delete(r.Header, "Upgrade")
	delete(r.Header, "Connection")
	return nil
}

func firstAllowed(asked, allowed []string) string {
	for protocol := range strings.SplitSeq(strings.Join(asked, ","), ",") {
		protocol = strings.TrimSpace(protocol)
		for _, name := range allowed {
			if strings.EqualFold(protocol, name) {
				return protocol
			}
		}
	}
	return ""
}

// switched tells whether a 101 is to the protocol that was asked for.
func switched(r *http.Request, res *http.Response) bool {
	asked := r.Header.Get("Upgrade")
	return asked != "" && strings.EqualFold(asked, res.Header.Get("Upgrade"))
}
