package dispatcher

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// requestIDHeader is the header's name as Go keeps it.
const requestIDHeader = "X-Request-Id"

// identify gives the request its name, which the instance and the client are told: that which a trusted proxy has given to
// it, else a new one. What anybody else sends under the header is thrown away.
func (s *served) identify(w http.ResponseWriter, r *http.Request) {
	if sent := r.Header[requestIDHeader]; len(sent) == 1 && isRequestID(sent[0]) && isTrusted(r) {
		s.RequestID = sent[0]
	} else {
		s.RequestID = newRequestID()
	}
	// Arrays of their own, and no room behind: others may change a value, or add one.
	s.ids = [2]string{s.RequestID, s.RequestID}
	r.Header[requestIDHeader] = s.ids[0:1:1]
	w.Header()[requestIDHeader] = s.ids[1:2:2]
}

// identifyAnswer has an answer carry the request's name alone, where the instance has given it one of its own too.
func identifyAnswer(header http.Header, id string) {
	if len(header[requestIDHeader]) > 1 {
		header[requestIDHeader] = []string{id}
	}
}

// isTrusted tells whether a trusted proxy has sent the request.
func isTrusted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// maxRequestID bounds what is taken from a proxy.
const maxRequestID = 128

func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// newRequestID is a random UUID (RFC 9562 section 5.4). It names a request and guards nothing, so that the runtime's
// generator, which needs no system call, will do.
func newRequestID() string {
	var raw [16]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		raw[i], raw[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
