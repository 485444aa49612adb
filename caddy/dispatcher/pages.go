package dispatcher

import (
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/table"
)

var warnings sample.Limiter

// fail answers an error and logs it: each at debug, and at most one a second and row at warn, so that a dead
// instance under load does not fill the disk.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, row *table.Row, status int, err error) {
	log := h.logger.Debug
	fields := []zap.Field{
		zap.String("rule", row.ID()),
		zap.String("ingress", row.Ingress()),
		zap.Int("status", status),
		zap.String("method", r.Method),
		zap.String("host", r.Host),
		zap.Error(err),
	}
	if status >= 500 {
		if suppressed, ok := warnings.Allow(row.ID()); ok {
			log = h.logger.Warn
			fields = append(fields, zap.Uint32("suppressed", suppressed))
		}
	}
	log("request failed", fields...)
	writeError(w, r, status, row.Ingress())
}

// message is what a client is told: the ingress and what it means, never an address or a name behind it.
func message(status int, ingress string) string {
	switch status {
	case http.StatusBadGateway:
		return fmt.Sprintf("The instance behind ingress %q could not be reached.", ingress)
	case http.StatusServiceUnavailable:
		return fmt.Sprintf("Ingress %q has no instance that could take the request now.", ingress)
	case http.StatusGatewayTimeout:
		return fmt.Sprintf("The instance behind ingress %q did not answer in time.", ingress)
	}
	return fmt.Sprintf("Ingress %q did not take the request.", ingress)
}

// writeError answers in HTML, JSON or plain text, by Accept.
func writeError(w http.ResponseWriter, r *http.Request, status int, ingress string) {
	header := w.Header()
	// A handler that failed half-way may have announced another body.
	header.Del("Content-Length")
	header.Del("Content-Encoding")
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept")
	if status == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
		header.Set("Retry-After", "1")
	}
	text := http.StatusText(status)
	if text == "" {
		text = "Error"
	}
	switch preferred(r.Header.Values("Accept")) {
	case formatJSON:
		body, _ := json.Marshal(struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Ingress string `json:"ingress"`
		}{strings.ReplaceAll(strings.ToLower(text), " ", "_"), message(status, ingress), ingress})
		writeBody(w, status, "application/json", string(body)+"\n")
	case formatHTML:
		title := html.EscapeString(fmt.Sprintf("%d %s", status, text))
		writeBody(w, status, "text/html; charset=utf-8", "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>"+title+
			"</title></head>\n<body><h1>"+title+"</h1><p>"+html.EscapeString(message(status, ingress))+"</p></body></html>\n")
	default:
		writePlain(w, status, fmt.Sprintf("%d %s: %s\n", status, text, message(status, ingress)))
	}
}

// notFound answers a request that no row takes.
func notFound(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	writePlain(w, http.StatusNotFound, "Not Found: no ingress configured for hostname "+host)
}

func writePlain(w http.ResponseWriter, status int, body string) {
	writeBody(w, status, "text/plain; charset=utf-8", body)
}

func writeBody(w http.ResponseWriter, status int, contentType, body string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

type format int

const (
	formatPlain format = iota
	formatJSON
	formatHTML
)

// preferred is the format with the highest weight, the first one of equals (RFC 9110 section 12.5.1).
func preferred(accept []string) format {
	best, weight := formatPlain, 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mediaType, parameters, _ := strings.Cut(part, ";")
		found := formatPlain
		switch mediaType = strings.ToLower(strings.TrimSpace(mediaType)); {
		case mediaType == "":
			continue
		case mediaType == "text/html" || mediaType == "application/xhtml+xml":
			found = formatHTML
		case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
			found = formatJSON
		}
		if q := quality(parameters); q > weight {
			best, weight = found, q
		}
	}
	return best
}

func quality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}
