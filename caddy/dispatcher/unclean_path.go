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
// Where nothing is said, a host with rules of paths has its paths cleaned, and others are left alone.
func refuseOrCleanPath(r *http.Request, way string, decided bool) bool {
	if way == "" && decided {
		way = app.CleanPaths
	}
	if way == "" || way == app.KeepPaths || !unclean(r.URL) {
		return true
	}
	if way == app.RejectPaths || strings.Contains(r.URL.Path, `\`) {
		return false
	}
	// The other escapes stay as they came: `%3b` is no `;`.
	raw := table.CleanPath(escapes.Replace(r.URL.EscapedPath()))
	r.URL.Path, r.URL.RawPath = table.CleanPath(r.URL.Path), raw
	r.RequestURI = r.URL.RequestURI()
	return true
}

// unclean tells whether servers read the path in more than one way: dot segments, empty ones, encoded slashes, and
// backslashes, which some take for slashes.
func unclean(u *url.URL) bool {
	return strings.Contains(u.Path, `\`) || strings.Contains(u.RawPath, "%2f") || strings.Contains(u.RawPath, "%2F") ||
		table.CleanPath(u.Path) != u.Path
}

// escapes are those of the characters that cleaning looks at.
var escapes = strings.NewReplacer("%2f", "/", "%2F", "/", "%2e", ".", "%2E", ".")
