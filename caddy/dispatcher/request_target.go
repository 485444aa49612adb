package dispatcher

import (
	"net/http"
	"strings"
)

// hasPath tells whether the path that rules are found by is what the instance will be asked for: the target is a path, or
// an http URL (RFC 9112 section 3.2, RFC 9113 section 8.3.1). `*` is of the whole server, and OPTIONS may name it.
//
// Any other URL that net/url reads would be found by one path and sent on as another text (`x:http://a.test/admin` has
// the path "" and is sent as it stands); CONNECT to an authority has no path at all.
func hasPath(r *http.Request) bool {
	switch {
	case strings.HasPrefix(r.RequestURI, "/"):
		// With a path CONNECT is the beginning of a WebSocket on HTTP/2 and 3 (RFC 8441), and nothing on HTTP/1.1.
		return r.Method != http.MethodConnect || r.ProtoMajor > 1
	case r.RequestURI == "*":
		return r.Method == http.MethodOptions
	}
	u := r.URL
	// A URL with a user name is an error (RFC 9110 section 4.2.4), and so is one without a host (section 4.2.1).
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Opaque == ""
}
