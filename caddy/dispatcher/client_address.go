package dispatcher

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// correctClient corrects the client's address that Caddy's server has found in X-Forwarded-For behind a trusted proxy: Caddy
// passes over what it cannot parse and believes what stands before it, which the client may have written.
func (h *Handler) correctClient(r *http.Request) {
	if len(h.trusted) == 0 {
		return
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if !trusted || err != nil {
		return
	}
	client := clientOf(r.Header["X-Forwarded-For"], peer.Addr().Unmap().WithZone(""), h.trusts)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, client.String())
}

func (h *Handler) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(h.trusted, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// clientOf is the last address that is not trusted. Each was written by the one behind it. What is no address ends the
// search at the proxy that wrote it: it did not know its client's. Where all are trusted it is the connection's.
func clientOf(lines []string, peer netip.Addr, trusts func(netip.Addr) bool) netip.Addr {
	if len(lines) == 0 {
		return peer
	}
	last := peer
	for _, hop := range slices.Backward(strings.Split(strings.Join(lines, ","), ",")) {
		addr, ok := parseHop(hop)
		if !ok {
			return last
		}
		if !trusts(addr) {
			return addr
		}
		last = addr
	}
	return peer
}

// parseHop reads an address as proxies write it: with a port or without, IPv6 in brackets or bare, in quotes as in Forwarded
// (RFC 7239 section 6), with a zone.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if unquoted, ok := strings.CutPrefix(text, `"`); ok {
		if text, ok = strings.CutSuffix(unquoted, `"`); !ok {
			return netip.Addr{}, false
		}
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		if text, ok = strings.CutSuffix(inside, "]"); !ok || !strings.Contains(text, ":") {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text)
	return addr.Unmap().WithZone(""), err == nil
}
