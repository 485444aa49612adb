package dispatcher

import (
	"errors"
	"net/http"
	"strings"

	"gatewright.dev/caddy/handshake"
)

// insecure answers a request whose connection lacks what its row demands of TLS. A client that was not asked for a
// certificate, since its connection was opened for another host or before the row was there, may do better on another
// connection (421, RFC 9110 section 15.5.20); one that showed a wrong certificate may not.
func (h *Handler) insecure(w http.ResponseWriter, r *http.Request, to *route, lack error) {
	status := http.StatusForbidden
	if errors.Is(lack, handshake.ErrNoCertificate) || r.TLS == nil || !isName(r.TLS.ServerName, to.host) {
		status = http.StatusMisdirectedRequest
	}
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	if to.rehearsed != nil {
		to.rehearsed.Err = lack
	} else {
		h.refuse(r, to, status, lack)
	}
	h.answer(w, r, to, status, lack.Error())
}

// isName tells whether a connection was opened for a host.
func isName(serverName, host string) bool {
	return strings.TrimSuffix(strings.ToLower(serverName), ".") == host
}
