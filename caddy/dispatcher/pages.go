package dispatcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/exchange"
	"gatewright.dev/caddy/internal/netaddr"
	"gatewright.dev/caddy/internal/sample"
	"gatewright.dev/caddy/policies"
	"gatewright.dev/caddy/table"
)

var warnings sample.Limiter

// fail answers an error and logs it: each at debug, and at most one a second and row at warn, so that a dead
// instance under load does not fill the disk.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, to *route, status int, err error) {
	row := to.row
	var refusal *policies.Refusal
	told := ""
	if errors.As(err, &refusal) {
		told = refusal.Message
	}
	if to.rehearsed != nil {
		to.rehearsed.Err = err
		h.answer(w, r, to, status, told)
		return
	}
	if refusal != nil || isRefusal(status) {
		h.refuse(r, to, status, err)
		h.answer(w, r, to, status, told)
		return
	}
	log := h.logger.Debug
	fields := append(logged(r, to), zap.Int("status", status), zap.Error(err))
	if status >= 500 {
		if suppressed, ok := warnings.Allow(row.ID()); ok {
			log = h.logger.Warn
			fields = append(fields, zap.Uint32("suppressed", suppressed))
		}
	}
	log("request failed", fields...)
	h.answer(w, r, to, status, "")
}

// brokenOff logs that an instance ended its response before its end, once a second and row at the most. The client has
// the beginning already.
func (h *Handler) brokenOff(r *http.Request, to *route) {
	suppressed, ok := warnings.Allow(to.row.ID())
	if !ok {
		return
	}
	h.logger.Warn("response broke off", append(logged(r, to), zap.Uint32("suppressed", suppressed))...)
}

// logged is what each line about a request says.
func logged(r *http.Request, to *route) []zap.Field {
	return []zap.Field{
		zap.String("rule", to.row.ID()),
		zap.String("ingress", to.row.Ingress()),
		zap.String("request_id", to.requestID),
		zap.String("method", r.Method),
		zap.String("host", netaddr.WithoutUser(r.Host)),
	}
}

// answer sends the page of the user's where there is one, else our own; told is what it says, "" leaves that to us.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, to *route, status int, told string) {
	ingress := to.row.Ingress()
	if told == "" {
		told = message(status, ingress)
	}
	page, _ := h.pageFor(to.set, status)
	writeError(w, r, status, &refusalText{ingress, told, to.requestID}, page)
}

// messages are what clients are told, by status: the ingress (%q) and what it means, never an address or a name behind it.
var messages = map[int]string{
	http.StatusBadRequest:            "The request broke off, or is none of HTTP.",
	http.StatusRequestTimeout:        "The rest of the request did not come in time.",
	http.StatusUnauthorized:          "Ingress %q demands a user name and a password.",
	http.StatusForbidden:             "Ingress %q does not take requests from this address.",
	http.StatusRequestEntityTooLarge: "The request is larger than ingress %q takes.",
	http.StatusTooManyRequests:       "Too many requests to ingress %q; try again later.",
	http.StatusBadGateway:            "The instance behind ingress %q could not be reached.",
	http.StatusServiceUnavailable:    "Ingress %q has no instance that could take the request now.",
	http.StatusLoopDetected:          "What ingress %q leads to leads back to it.",
	http.StatusGatewayTimeout:        "The instance behind ingress %q did not answer in time.",
}

func message(status int, ingress string) string {
	text, known := messages[status]
	if !known {
		text = "Ingress %q did not take the request."
	}
	return strings.Replace(text, "%q", strconv.Quote(ingress), 1)
}

// refusalText is what an error answer says.
type refusalText struct{ ingress, told, requestID string }

// writeError answers in HTML, JSON or plain text, by Accept; page, unless empty, instead of HTML and plain text.
func writeError(w http.ResponseWriter, r *http.Request, status int, say *refusalText, page string) {
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
	format := preferred(r.Header.Values("Accept"))
	if page != "" && format != formatJSON {
		writePage(w, status, page)
		return
	}
	switch format {
	case formatJSON:
		body, _ := json.Marshal(struct {
			Code      string `json:"code"`
			Message   string `json:"message"`
			Ingress   string `json:"ingress"`
			RequestID string `json:"request_id,omitempty"`
		}{strings.ReplaceAll(strings.ToLower(text), " ", "_"), say.told, say.ingress, say.requestID})
		writeBody(w, status, "application/json", string(body)+"\n")
	case formatHTML:
		title := html.EscapeString(fmt.Sprintf("%d %s", status, text))
		writeBody(w, status, "text/html; charset=utf-8", "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>"+title+
			"</title></head>\n<body><h1>"+title+"</h1><p>"+html.EscapeString(say.told)+"</p><p>Request "+html.EscapeString(say.requestID)+
			"</p></body></html>\n")
	default:
		writePlain(w, status, fmt.Sprintf("%d %s: %s\nRequest %s\n", status, text, say.told, say.requestID))
	}
}

// missOf is why no row takes a request.
func missOf(asked *table.Request, r *http.Request) exchange.Miss {
	miss := app.HostTable().Miss(asked)
	if miss == table.MissHost && r.TLS != nil && r.TLS.ServerName == "" {
		return exchange.MissSNI
	}
	return miss
}

// notFound answers a request that no row takes, and tells whether there are rows of its host.
func (h *Handler) notFound(w http.ResponseWriter, r *http.Request, miss exchange.Miss) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	told := "Not Found: no rule of hostname " + host + " fits the path, method, headers and scheme of the request"
	switch miss {
	case table.MissPort, table.MissHost, exchange.MissSNI:
		told = "Not Found: no ingress configured for hostname " + host
	}
	h.unrouted(w, http.StatusNotFound, told)
}

// unrouted answers a request of no row, with told unless there is a page for the status.
func (h *Handler) unrouted(w http.ResponseWriter, status int, told string) {
	if page, ok := h.app.ErrorPages.Find(status); ok {
		writePage(w, status, page)
		return
	}
	writePlain(w, status, told)
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

// pageFor is the page of a policy set, if any, then that of the app.
func (h *Handler) pageFor(set *app.PolicySet, status int) (page string, ok bool) {
	if set != nil {
		if page, ok = set.ErrorPages.Find(status); ok {
			return page, ok
		}
	}
	return h.app.ErrorPages.Find(status)
}

// writePage sends a page of the user's.
func writePage(w http.ResponseWriter, status int, page string) {
	contentType := "text/plain; charset=utf-8"
	if strings.HasPrefix(strings.TrimSpace(page), "<") {
		contentType = "text/html; charset=utf-8"
	}
	writeBody(w, status, contentType, page)
}
