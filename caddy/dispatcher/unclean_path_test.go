package dispatcher

import (
	"fmt"
	"maps"
	"net"
	"testing"

	"gatewright.dev/caddy/table"
)

// uncleanCases are paths with what each of the three ways makes of them: a status where the request is not passed on, else
// what the instance is asked for.
var uncleanCases = []struct{ path, clean, reject, keep string }{
	// Clean ones are as they came.
	{"/", "/", "/", "/"},
	{"/a/b%20c/?x=/../y%2f", "/a/b%20c/?x=/../y%2f", "/a/b%20c/?x=/../y%2f", "/a/b%20c/?x=/../y%2f"},
	{"/a.b/..c/.d/e../...", "/a.b/..c/.d/e../...", "/a.b/..c/.d/e../...", "/a.b/..c/.d/e../..."},
	{"/a;b=%3b/%252f/%C3%A4", "/a;b=%3b/%252f/%C3%A4", "/a;b=%3b/%252f/%C3%A4", "/a;b=%3b/%252f/%C3%A4"},
	{"/a%2eb", "/a%2eb", "/a%2eb", "/a%2eb"},
	// Dot segments, plain and encoded.
	{"/admin/../x", "/x", "400", "/admin/../x"},
	{"/admin/%2e%2E/x%20y", "/x%20y", "400", "/admin/%2e%2E/x%20y"},
	{"/./x/.", "/x/", "400", "/./x/."},
	{"/../../x", "/x", "400", "/../../x"},
	// Doubled slashes.
	{"//x", "/x", "400", "//x"},
	{"/x//y/", "/x/y/", "400", "/x//y/"},
	// Encoded slashes.
	{"/x%2fy%3b", "/x/y%3b", "400", "/x%2fy%3b"},
	{"/admin/..%2Fx", "/x", "400", "/admin/..%2Fx"},
	{"/admin%2f..%2fx?q=%2f", "/x?q=%2f", "400", "/admin%2f..%2fx?q=%2f"},
	{"/x%2f", "/x/", "400", "/x%2f"},
	{"/%2f", "/", "400", "/%2f"},
	// Backslashes, which some servers take for slashes: cleaning cannot tell.
	{`/x\y`, "400", "400", "/x%5Cy"},
	{"/x%5cy", "400", "400", "/x%5cy"},
	{"/x%5Cy", "400", "400", "/x%5Cy"},
	{`/admin\..\x`, "400", "400", "/admin%5C..%5Cx"},
	// Control characters, at which some servers end the path.
	{"/admin%00", "400", "400", "/admin%00"},
	{"/admin%00/x", "400", "400", "/admin%00/x"},
	{"/x%01%1Fy", "400", "400", "/x%01%1Fy"},
	{"/x%0d%0aHost:y", "400", "400", "/x%0d%0aHost:y"},
	{"/x%7f", "400", "400", "/x%7f"},
	{"/x?%00", "/x?%00", "/x?%00", "/x?%00"},
	// What is found to be closed stays closed, in each way.
	{"/admin", "403", "403", "403"},
	{"//admin/users", "403", "400", "403"},
	{"/x/../admin/users", "403", "400", "403"},
	{"/x%2f..%2fadmin", "403", "400", "403"},
	{"/%61dmin", "403", "403", "403"},
}

// TestUncleanPaths holds D6: the path that a rule is found by is the path that the instance is asked for.
func TestUncleanPaths(t *testing.T) {
	w := newWorld(t)
	with := func(unclean string, set map[string]any) map[string]any {
		set = maps.Clone(set)
		set["unclean_paths"] = unclean
		return set
	}
	w.sets["closed"] = checked(proxySet)
	for _, way := range []string{"clean", "reject", "keep"} {
		w.sets[way], w.sets[way+"-closed"] = with(way, proxySet), with(way, checked(proxySet))
	}
	w.load("c1")
	port := w.serve("web")
	rows := []table.RowJSON{w.row("bare", "bare.test", "web", port)}
	for _, way := range []string{"clean", "reject", "keep", "default"} {
		open, admin := w.row(way, way+".test", "web", port), w.row(way+"-admin", way+".test", "web", port)
		if open.Policy, admin.Policy = way, way+"-closed"; way == "default" {
			open.Policy, admin.Policy = "proxy", "closed"
		}
		admin.Path = &table.Path{Type: "prefix", Value: "/admin"}
		admin.Auth = &table.Auth{Header: "X-Key", SHA256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}
		rows = append(rows, open, admin)
	}
	w.put("t1", rows...)
	expect := func(host, path, want string) {
		t.Helper()
		status, body := w.rawGet(host, path)
		got := fmt.Sprint(status)
		if status == 200 {
			got = body
		}
		if got != want && got != "web "+want {
			t.Errorf("D6 %s%s: got %q, want %q", host, path, got, want)
		}
	}
	for _, c := range uncleanCases {
		expect("clean.test", c.path, c.clean)
		expect("reject.test", c.path, c.reject)
		expect("keep.test", c.path, c.keep)
		// A host with rules of paths has its paths cleaned, and one without is left alone.
		expect("default.test", c.path, c.clean)
		if c.keep != "403" {
			expect("bare.test", c.path, c.keep)
		}
	}
}

// rawGet asks for a path byte for byte.
func (w *world) rawGet(host, path string) (status int, body string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.port))
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
	return readAnswer(w.t, conn)
}
