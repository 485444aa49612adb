package policies

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Forwarded{}) }

// Forwarded is the module `http.handlers.gatewright_forwarded`: it sets the request headers that tell the instance
// about the client and that the reverse proxy does not set (which are X-Forwarded-For, -Proto and -Host).
//
//   - X-Real-IP: the client's address, past all trusted proxies.
//   - Forwarded (RFC 7239): this hop; what a trusted proxy sent comes before it.
//   - CDN-Loop (RFC 8586): that the request has come by here; one that has done so too often is refused with 508.
//
// What others than trusted proxies send under these names is thrown away. Headers that the client names in
// Connection are taken out here already: else it could have the proxy take out the ones that are set afterwards.
type Forwarded struct{}

// CaddyModule returns the module's information.
func (Forwarded) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.gatewright_forwarded", New: func() caddy.Module { return new(Forwarded) }}
}

// values are the new headers in one allocation.
type values struct{ ip, forwarded [1]string }

// ServeHTTP sets the headers.
func (Forwarded) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	dropConnectionHeaders(r.Header)
	if err := markPass(r.Header); err != nil {
		return err
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !trusted {
		delete(r.Header, "X-Forwarded-Prefix")
	}
	v := new(values)
	v.ip[0] = clientIP(r)
	r.Header["X-Real-Ip"] = v.ip[:]
	v.forwarded[0] = forwarded(r, trusted)
	r.Header["Forwarded"] = v.forwarded[:]
	return next.ServeHTTP(w, r)
}

// clientIP is the client's address as Caddy's server has found it, IPv4 in its own form.
func clientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if strings.HasPrefix(ip, "::") {
		if addr, err := netip.ParseAddr(ip); err == nil && addr.Is4In6() {
			return addr.Unmap().String()
		}
	}
	return ip
}

// forwarded is the value of the header Forwarded for this hop and those before it.
func forwarded(r *http.Request, trusted bool) string {
	var b strings.Builder
	b.Grow(96)
	if trusted {
		if prior := r.Header["Forwarded"]; len(prior) > 0 {
			b.WriteString(strings.Join(prior, ", "))
			b.WriteString(", ")
		} else {
			writePrior(&b, r.Header)
		}
	}
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	writeFor(&b, peer)
	if r.Host != "" && !strings.ContainsAny(r.Host, `"\`) {
		b.WriteString(`;host="`)
		b.WriteString(r.Host)
		b.WriteByte('"')
	}
	if r.TLS != nil {
		b.WriteString(";proto=https")
	} else {
		b.WriteString(";proto=http")
	}
	return b.String()
}

// writePrior turns the X-Forwarded headers of a proxy that does not know Forwarded into elements
// (RFC 7239 section 7.4): else the proxy would look like the client.
func writePrior(b *strings.Builder, header http.Header) {
	first := true
	for _, line := range header["X-Forwarded-For"] {
		for hop := range strings.SplitSeq(line, ",") {
			writeFor(b, strings.TrimSpace(hop))
			if proto := header.Get("X-Forwarded-Proto"); first && (proto == "http" || proto == "https") {
				b.WriteString(";proto=")
				b.WriteString(proto)
			}
			first = false
			b.WriteString(", ")
		}
	}
}

func writeFor(b *strings.Builder, ip string) {
	b.WriteString("for=")
	ip, _, _ = strings.Cut(ip, "%")
	addr, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		b.WriteString("unknown")
	case addr.Is4():
		b.WriteString(ip)
	case addr.Is4In6():
		b.WriteString(addr.Unmap().String())
	default:
		b.WriteString(`"[`)
		b.WriteString(addr.String())
		b.WriteString(`]"`)
	}
}

// dropConnectionHeaders takes out what Connection names (RFC 9110 section 7.6.1), as the proxy will do, and leaves
// the names that have a meaning of their own.
func dropConnectionHeaders(header http.Header) {
	lines := header["Connection"]
	if len(lines) == 0 || len(lines) == 1 && isConnectionOption(lines[0]) {
		return
	}
	var kept []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			switch {
			case name == "", isDispatchers(name):
			case isConnectionOption(name):
				kept = append(kept, name)
			default:
				header.Del(name)
			}
		}
	}
	if len(kept) == 0 {
		delete(header, "Connection")
		return
	}
	header["Connection"] = []string{strings.Join(kept, ", ")}
}

// isDispatchers tells whether the dispatcher has set the header, so that it is none of the client's.
func isDispatchers(name string) bool {
	return strings.EqualFold(name, "X-Request-Id") || strings.EqualFold(name, "Traceparent") || strings.EqualFold(name, "Tracestate")
}

func isConnectionOption(name string) bool {
	return strings.EqualFold(name, "keep-alive") || strings.EqualFold(name, "upgrade") ||
		strings.EqualFold(name, "close") || strings.EqualFold(name, "te")
}

// Interface guards.
var _ caddyhttp.MiddlewareHandler = Forwarded{}
