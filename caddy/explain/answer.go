package explain

import (
	"bytes"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/listeners"
)

// Answer is one from here.
type Answer struct {
	Status   int    `json:"status"`
	Location string `json:"location,omitempty"`
	// RetryAfter is the header.
	RetryAfter string `json:"retry_after,omitempty"`
	Type       string `json:"type,omitempty"`
	Body       string `json:"body,omitempty"`
}

// serverOf is the HTTP server of a port; nil where there is none.
func serverOf(port uint16) *caddyhttp.Server {
	loaded, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil
	}
	servers, ok := loaded.(*caddyhttp.App)
	if !ok {
		return nil
	}
	for _, server := range servers.Servers {
		if listeners.HavePort(server.Listen, port) {
			return server
		}
	}
	return nil
}

// answerOf has a server handle a request, and returns what it answers; nil where nothing was answered from here.
func answerOf(server *caddyhttp.Server, r *http.Request) *Answer {
	w := &writer{header: http.Header{}}
	server.ServeHTTP(w, r)
	if w.status == 0 {
		return nil
	}
	return &Answer{
		Status: w.status, Location: w.header.Get("Location"), RetryAfter: w.header.Get("Retry-After"),
		Type: w.header.Get("Content-Type"), Body: w.body.String(),
	}
}

// mostBody is how much of an answer's body is told.
const mostBody = 4096

// writer keeps what is answered.
type writer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *writer) Write(text []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body.Write(text[:min(len(text), mostBody-w.body.Len())])
	return len(text), nil
}
