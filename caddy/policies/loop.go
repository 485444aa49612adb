package policies

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// maxPasses is how often a request may come by here: an instance may be a proxy itself, and lead back to another one.
const maxPasses = 10

// passHeader is the header CDN-Loop (RFC 8586), which proxies pass on as it is, in the form of net/http.
const passHeader = "Cdn-Loop"

// passMark is this process's name in it. Requests share the slice, which has no room that one could write into.
var passMark = []string{"gatewright-" + strings.ToLower(rand.Text()[:8])}

var errLoop = errors.New("the request has come by too often: what it is sent to leads back here")

// markPass notes in CDN-Loop that the request has come by, and refuses one that goes round in circles (RFC 5842 section
// 7.2 has the status). A request that leads straight back is stopped before by the guard.
func markPass(header http.Header) error {
	before := header[passHeader]
	if len(before) == 0 {
		header[passHeader] = passMark[:1:1]
		return nil
	}
	passes := 0
	for _, line := range before {
		passes += strings.Count(line, passMark[0])
	}
	if passes >= maxPasses {
		return caddyhttp.Error(http.StatusLoopDetected, errLoop)
	}
	header[passHeader] = []string{strings.Join(before, ", ") + ", " + passMark[0]}
	return nil
}
