package dispatcher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	_ "gatewright.dev/caddy/policies"
	"gatewright.dev/caddy/table"
	_ "gatewright.dev/caddy/transport"
)

// This file is the harness of the package's tests, which are those of the app and its admin endpoint too: a request needs
// both, and what the endpoint changes is seen in requests.

// world is a Caddy in this process with our modules, a DNS server, and what tests do with them.
// The host table is the process's, so that tests that use a world do not run in parallel.
type world struct {
	t     *testing.T
	dns   *dnstest.Server
	admin string
	// port is the HTTP listen port.
	port int
	// app is merged into `apps.gatewright`, version and all.
	app map[string]any
	// sets are the policy sets that rows may name; they travel with these.
	sets map[string]any
	// servers are added to `apps.http.servers`.
	servers map[string]any
	tls     any
	storage string
	client  *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if err := app.ReplaceTable(strings.NewReader(`{"version":"none","rows":[]}`)); err != nil {
		t.Fatal(err)
	}
	*app.HostTable() = table.Table{}
	w := &world{
		t: t, dns: dnstest.Start(t), admin: "127.0.0.1:" + strconv.Itoa(freeport.Find(t)), port: freeport.Find(t),
		storage: t.TempDir(), app: map[string]any{}, sets: map[string]any{"proxy": proxySet}, servers: map[string]any{},
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       20 * time.Second,
		},
	}
	for w.admin == "127.0.0.1:"+strconv.Itoa(w.port) {
		w.port = freeport.Find(t)
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		_ = caddy.Stop()
	})
	return w
}

// proxySet has no time limit that a machine which stands still for a moment could meet.
var proxySet = map[string]any{"handle": []any{map[string]any{
	"handler":           "reverse_proxy",
	"dynamic_upstreams": map[string]any{"source": "gatewright"},
	"load_balancing":    map[string]any{"retries": 1},
	"transport":         map[string]any{"protocol": "gatewright", "dial_timeout": "20s"},
}}}

// checked is the set behind a check of the header that a row demands.
func checked(set map[string]any) map[string]any {
	handlers := append([]any{map[string]any{"handler": "gatewright_header_auth"}}, set["handle"].([]any)...)
	return map[string]any{"handle": handlers}
}

// config is the configuration of the world, under a version.
func (w *world) config(version string, edit ...func(app map[string]any)) []byte {
	app := map[string]any{
		"version":  version,
		"resolver": map[string]any{"address": w.dns.Address, "zone": "test.internal"},
		"guard":    map[string]any{"allow_loopback": true},
	}
	for key, value := range w.app {
		app[key] = value
	}
	for _, change := range edit {
		change(app)
	}
	servers := map[string]any{"main": map[string]any{
		"listen":          []string{"gatewright/127.0.0.1:" + strconv.Itoa(w.port)},
		"automatic_https": map[string]any{"disable": true},
		"routes":          []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}}
	for name, server := range w.servers {
		servers[name] = server
	}
	apps := map[string]any{"gatewright": app, "http": map[string]any{"servers": servers, "grace_period": "1s"}}
	if w.tls != nil {
		apps["tls"] = w.tls
	}
	text, err := json.Marshal(map[string]any{
		// On the process's own socket, as Gatewright has it: a load replaces the admin server, and what the old one has not
		// accepted goes to the new one.
		"admin": map[string]any{
			"listen": "gatewright/" + w.admin, "origins": []string{w.admin}, "config": map[string]any{"persist": false},
		},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": map[string]any{"module": "file_system", "root": w.storage},
		"apps":    apps,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// load has Caddy run the configuration.
func (w *world) load(version string, edit ...func(app map[string]any)) {
	w.t.Helper()
	if err := caddy.Load(w.config(version, edit...), true); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// refuse has Caddy refuse a configuration.
func (w *world) refuse(version string, edit ...func(app map[string]any)) error {
	w.t.Helper()
	err := caddy.Load(w.config(version, edit...), true)
	w.settle()
	return err
}

// settle waits until the admin servers that a load has replaced, two where it was refused, have ended. Caddy ends them in
// goroutines of their own after the load, and a request that one has accepted by then, but not begun to handle, gets no
// answer (net/http, Shutdown).
func (w *world) settle() {
	w.t.Helper()
	w.client.CloseIdleConnections()
	for deadline := time.Now().Add(20 * time.Second); adminServersEnd(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("an admin server that was replaced goes on")
		}
	}
}

// adminServersEnd tells whether there are goroutines that end replaced admin servers: nothing else of Caddy tells.
func adminServersEnd() bool {
	var stacks bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	return strings.Contains(stacks.String(), "created by github.com/caddyserver/caddy/v2.replaceLocalAdminServer.func1")
}

// call sends JSON to the admin endpoint.
func (w *world) call(method, path string, body any) (status int, answer map[string]any) {
	w.t.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(encoded)
	}
	request, err := http.NewRequest(method, "http://"+w.admin+path, strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Close = true
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// put replaces the table.
func (w *world) put(version string, given ...table.RowJSON) {
	w.t.Helper()
	status, answer := w.call("PUT", "/gatewright/table", w.table(version, given...))
	if status != 200 {
		w.t.Fatalf("PUT: %d %v", status, answer)
	}
}

// table is a whole table, with the world's policy sets that its rows name.
func (w *world) table(version string, given ...table.RowJSON) map[string]any {
	if given == nil {
		given = []table.RowJSON{}
	}
	return map[string]any{"version": version, "rows": given, "policy_sets": w.setsOf(given)}
}

// patch makes a change of the table.
func (w *world) patch(from, to string, remove []string, upsert ...table.RowJSON) (status int, answer map[string]any) {
	w.t.Helper()
	return w.call("PATCH", "/gatewright/table", w.delta(from, to, remove, upsert))
}

// change is patch without the admin endpoint, which a load replaces.
func (w *world) change(from, to string, remove []string, upsert ...table.RowJSON) {
	w.t.Helper()
	text, err := json.Marshal(w.delta(from, to, remove, upsert))
	if err == nil {
		err = app.PatchTable(bytes.NewReader(text))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delta(from, to string, remove []string, upsert []table.RowJSON) map[string]any {
	return map[string]any{"from": from, "to": to, "remove": remove, "upsert": upsert, "policy_sets": w.setsOf(upsert)}
}

func (w *world) setsOf(rows []table.RowJSON) map[string]any {
	named := map[string]any{}
	for _, row := range rows {
		if set := w.sets[row.Policy]; set != nil {
			named[row.Policy] = set
		}
	}
	return named
}

// row is a row of the world's port to an instance.
func (w *world) row(id, host, instance string, port int) table.RowJSON {
	return table.RowJSON{
		ID: id, Ingress: "ingress-" + id, Port: w.port, Host: host, Policy: "proxy",
		Targets: []table.Target{{Instance: instance, Port: port}},
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// get requests a path of a host from the world's port.
func (w *world) get(host, path string, header ...string) answer {
	w.t.Helper()
	return w.do("GET", w.port, host, path, header...)
}

func (w *world) do(method string, port int, host, path string, header ...string) answer {
	w.t.Helper()
	a, err := w.try(method, port, host, path, header...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) try(method string, port int, host, path string, header ...string) (answer, error) {
	request, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return answer{}, err
	}
	request.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	response, err := w.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, response.Body)
	return answer{response.StatusCode, response.Header, body.String()}, err
}

// keepAsking has four clients ask for one host after another until stop; a wrong answer is an error of the test.
func (w *world) keepAsking(isWrong func(answer) bool, hosts ...string) (served *atomic.Int64, stop func()) {
	served = new(atomic.Int64)
	stopped := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for at := 0; ; at++ {
				select {
				case <-stopped:
					return
				default:
				}
				host := hosts[at%len(hosts)]
				got, err := w.try("GET", w.port, host, "/")
				if err != nil || isWrong(got) {
					w.t.Errorf("%s: %d %q %v", host, got.status, got.body, err)
					return
				}
				served.Add(1)
			}
		})
	}
	return served, func() {
		close(stopped)
		clients.Wait()
	}
}

// backend serves its name on an address of loopback.
func backend(t *testing.T, address, name string) (port int, server *httptest.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Key", r.Header.Get("X-Key"))
		fmt.Fprintf(w, "%s %s", name, r.URL.RequestURI())
	})}}
	server.Start()
	t.Cleanup(server.Close)
	return listener.Addr().(*net.TCPAddr).Port, server
}

// namedRow is a row that names a policy set.
func (w *world) namedRow(id, policy string) table.RowJSON {
	row := w.row(id, id+".test", "nobody", 80)
	row.Policy = policy
	return row
}

func (w *world) mustPatch(from, to string, remove []string, upsert ...table.RowJSON) {
	w.t.Helper()
	if status, answer := w.patch(from, to, remove, upsert...); status != 200 {
		w.t.Fatalf("PATCH: %d %v", status, answer)
	}
}
