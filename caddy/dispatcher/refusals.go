package dispatcher

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/refusals"
	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/table"
)

var refused sample.Limiter

// refuse counts a request that a policy turned away, and logs at most one a second and row: an attack must not fill
// the disk.
func (h *Handler) refuse(r *http.Request, row *table.Row, status int, err error) {
	refusals.All.Add(row.ID(), status)
	suppressed, ok := refused.Allow(row.ID())
	if !ok {
		return
	}
	client, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	h.logger.Info("request refused",
		zap.String("rule", row.ID()),
		zap.String("ingress", row.Ingress()),
		zap.Int("status", status),
		zap.String("client_ip", client),
		zap.String("method", r.Method),
		zap.String("host", r.Host),
		zap.NamedError("reason", err),
		zap.Uint32("suppressed", suppressed))
}

// isRefusal tells whether a policy, and not the instance or the way to it, is why a request failed.
func isRefusal(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return true
	}
	return false
}
