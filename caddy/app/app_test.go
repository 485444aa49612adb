package app

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

func TestWhichPageIsSent(t *testing.T) {
	pages := ErrorPages{"404": "own", "5xx": "class", "503": "paused"}
	for status, want := range map[int]string{404: "own", 403: "", 500: "class", 502: "class", 503: "paused", 599: "class"} {
		if page, ok := pages.Find(status); page != want || ok != (want != "") {
			t.Errorf("%d: %q, %v", status, page, ok)
		}
	}
	if _, ok := ErrorPages(nil).Find(404); ok {
		t.Error("there is a page where there are none")
	}
	for key, fine := range map[string]bool{"400": true, "599": true, "4xx": true, "5xx": true, "399": false, "600": false, "3xx": false, "40x": false, "4000": false, "": false} {
		if err := (ErrorPages{key: "x"}).validate(); (err == nil) != fine {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAddressesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		texts    []string
		addrs    string
		problems int
	}{
		"web":       {[]string{"10.0.0.1", "::ffff:10.0.0.2", "fd00::1"}, "[10.0.0.1 10.0.0.2 fd00::1]", 0},
		"none":      {nil, "[]", 0},
		"":          {[]string{"10.0.0.1"}, "[10.0.0.1]", 1},
		"nonsense":  {[]string{"here", "10.0.0.1", "10.0.0.1:80"}, "[10.0.0.1]", 2},
		"with zone": {[]string{"fe80::1%eth0"}, "[]", 1},
	} {
		refusal := &table.Refusal{}
		if got := parseAddresses(name, c.texts, refusal); fmt.Sprint(got) != c.addrs || len(refusal.Problems) != c.problems {
			t.Errorf("%q: %v, %v", name, got, refusal.Problems)
		}
	}
}

// post asks a route of the admin endpoint, and returns the status and the answer.
func post(method, path, body string) (int, string) {
	for _, route := range (&Admin{}).Routes() {
		if route.Pattern == path {
			w := httptest.NewRecorder()
			_ = route.Handler.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
			return w.Code, w.Body.String()
		}
	}
	return 404, ""
}

// What the manager tells of instances reaches every resolver, or none when something is wrong with it.
func TestAddressesReachTheResolvers(t *testing.T) {
	key := resolverKey{"127.0.0.1:1", "test.internal", time.Hour}
	names := resolver.New(key.address, key.zone, key.minTTL)
	if _, taken := resolvers.LoadOrStore(key, names); taken {
		t.Fatal("there is a resolver already")
	}
	t.Cleanup(func() { _, _ = resolvers.Delete(key) })
	know := func(name string) string {
		item := names.Lookup(t.Context(), name, nil)
		if item.Err() == resolver.ErrNoName {
			return "unknown"
		}
		return fmt.Sprint(item.Addrs())
	}
	names.Push("kept", []netip.Addr{netip.MustParseAddr("10.0.0.9")})
	for _, c := range []struct {
		body   string
		status int
		name   string
		want   string
	}{
		{`{"names":{"web":{"addresses":["10.0.0.1"]}}}`, 200, "web", "[10.0.0.1]"},
		{`{"names":{"web":{"unknown":true}}}`, 200, "web", "unknown"},
		{`{"names":{"web":{"addresses":["10.0.0.2"],"unknown":true},"kept":{"unknown":true}}}`, 400, "kept", "[10.0.0.9]"},
		{`{"names":{"kept":{"addresses":["here"]}}}`, 400, "kept", "[10.0.0.9]"},
		{`{"known":{"kept":["here"]}}`, 400, "kept", "[10.0.0.9]"},
		{`{"nonsense":true}`, 400, "kept", "[10.0.0.9]"},
		{`{"names":{"web":{"addresses":[]}}}`, 200, "web", "[]"},
	} {
		status, answer := post("POST", "/gatewright/addresses", c.body)
		if got := know(c.name); status != c.status || got != c.want {
			t.Errorf("%s: %d %s, %s is at %s", c.body, status, answer, c.name, got)
		}
	}
}

func TestTargetsAreToldWholeOrNotAtAll(t *testing.T) {
	for body, want := range map[string]int{
		`{"rules":{"a/0":{"unhealthy":["10.0.0.1:80"]}}}`: 200, `{"rules":{"a/0":{"unhealthy":["10.0.0.1"]}}}`: 400, `{"rule":{}}`: 400, `{"reset":true}`: 200,
	} {
		if status, answer := post("POST", "/gatewright/targets", body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
