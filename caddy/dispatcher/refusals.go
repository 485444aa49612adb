package dispatcher

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/sample"
)

var refused sample.Limiter

// refuse logs a request that a policy turned away, at most one a second and row: an attack must not fill
// the disk.
func (h *Handler) refuse(r *http.Request, to *route, status int, err error) {
	suppressed, ok := refused.Allow(to.row.ID())
	if !ok {
		return
	}
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	h.logger.Info("request refused", append(logged(r, to),
		zap.Int("status", status),
		zap.String("client_ip", h.app.Log().Client().ShowText(client)),
		zap.NamedError("reason", err),
		zap.Uint32("suppressed", suppressed))...)
}

// isRefusal tells whether a policy, and not the instance or the way to it, is why a request failed.
func isRefusal(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return true
	}
	return false
}
