package dispatcher

import (
	"net/http"
	"net/url"
	"strings"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/table"
)

// refuseOrCleanPath has the instance be asked for the path that the row was found by, which is decoded and cleaned: an instance
// that reads `/admin/..%2fx` in another way than we do would serve what another rule keeps closed. It returns false for
// what is to be refused.
//
// Where nothing is said, a host with rules of paths has its paths cleaned, and others are left alone. The manager says it
// for a rule whose policies decide by the path.
func refuseOrCleanPath(r *http.Request, way string, decided bool) bool {
	if way == "" && decided {
		way = app.CleanPaths
	}
	if way == "" || way == app.KeepPaths || !unclean(r.URL) {
		return true
	}
	if way == app.RejectPaths || strings.ContainsFunc(r.URL.Path, uncleanable) {
		return false
	}
	// The other escapes stay as they came: `%3b` is no `;`.
	raw := table.CleanPath(escapes.Replace(r.URL.EscapedPath()))
	r.URL.Path, r.URL.RawPath = table.CleanPath(r.URL.Path), raw
	r.RequestURI = r.URL.RequestURI()
	return true
}

// unclean tells whether servers read the path in more than one way: dot segments, empty ones, encoded slashes, and
// what cleaning cannot settle.
func unclean(u *url.URL) bool {
	return strings.ContainsFunc(u.Path, uncleanable) || strings.Contains(u.RawPath, "%2f") || strings.Contains(u.RawPath, "%2F") ||
		table.CleanPath(u.Path) != u.Path
}

// uncleanable tells whether a character has no form that all servers read alike: a backslash, which some take for a slash,
// and control characters, at which some end the path (NUL) or which they drop.
func uncleanable(c rune) bool { return c == '\\' || c < 0x20 || c == 0x7f }

// escapes are those of the characters that cleaning looks at.
var escapes = strings.NewReplacer("%2f", "/", "%2F", "/", "%2e", ".", "%2E", ".")
