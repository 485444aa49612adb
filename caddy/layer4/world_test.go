package layer4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"gatewright.dev/caddy/app"
	_ "gatewright.dev/caddy/app"
	_ "gatewright.dev/caddy/dispatcher"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/table"
)

// world is a Caddy in this process with one port of HTTP behind the wrapper. The host table is the process's, so that
// tests that use a world do not run in parallel.
type world struct {
	t    *testing.T
	dns  *dnstest.Server
	port int
	// wrapper is the configuration of the wrapper.
	wrapper map[string]any
	// server is merged into the HTTP server.
	server map[string]any
	// apps are merged into the apps.
	apps    map[string]any
	storage string
	tables  int
}

// policySets are those that rows may name: echo answers what was asked for.
var policySets = map[string]any{
	"echo": map[string]any{"handle": []any{map[string]any{
		"handler": "static_response", "body": "{http.request.host}{http.request.uri} {http.request.remote.host}",
	}}},
	"refusing": map[string]any{"handle": []any{map[string]any{"handler": "static_response", "status_code": 403}}},
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, dns: dnstest.Start(t), port: freeport.Find(t), storage: t.TempDir(),
		wrapper: map[string]any{}, server: map[string]any{}, apps: map[string]any{},
	}
	t.Cleanup(func() {
		_ = caddy.Stop()
		w.rows()
		awaited(t, "connections and sessions end", noneIsOpen)
	})
	return w
}

// noneIsOpen tells whether all connections and sessions have ended. What they count at their end is the process's, and the
// next test would take it for its own.
func noneIsOpen() bool {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for _, serves := range []string{"(*Server).receive(", "(*wrapped).receive(", "(*session).run("} {
		if bytes.Contains(all, []byte("layer4."+serves)) {
			return false
		}
	}
	return true
}

// load has Caddy run the world's configuration.
func (w *world) load() {
	w.t.Helper()
	wrapper := map[string]any{"wrapper": "gatewright"}
	for key, value := range w.wrapper {
		wrapper[key] = value
	}
	server := map[string]any{
		"listen": []string{w.listen(w.port)}, "automatic_https": map[string]any{"disable": true},
		"protocols":         []string{"h1", "h2"},
		"listener_wrappers": []any{wrapper},
		"routes":            []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
	}
	for key, value := range w.server {
		server[key] = value
	}
	apps := map[string]any{
		"gatewright": map[string]any{
			"resolver": map[string]any{"address": w.dns.Address, "zone": "test.internal"},
			"guard":    map[string]any{"allow_loopback": true},
		},
		"http": map[string]any{"servers": map[string]any{"main": server}},
	}
	for key, value := range w.apps {
		apps[key] = value
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": map[string]any{"module": "file_system", "root": w.storage},
		"apps":    apps,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) listen(port int) string { return fmt.Sprint("gatewright/127.0.0.1:", port) }

// address is where the world's port is reached.
func (w *world) address() string { return fmt.Sprint("127.0.0.1:", w.port) }

// rows replaces the host table.
func (w *world) rows(given ...table.RowJSON) {
	w.t.Helper()
	w.tables++
	whole := map[string]any{"version": fmt.Sprint(w.t.Name(), w.tables), "rows": append([]table.RowJSON{}, given...)}
	if len(given) > 0 {
		sets := make(map[string]any)
		for _, row := range given {
			sets[row.Policy] = policySets[row.Policy]
		}
		delete(sets, "")
		whole["policy_sets"] = sets
	}
	text, err := json.Marshal(whole)
	if err == nil {
		err = app.ReplaceTable(bytes.NewReader(text))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// row is a row of HTTP on the world's port.
func (w *world) row(id, host string, tls bool) table.RowJSON {
	return table.RowJSON{
		ID: id, Ingress: id, Port: w.port, Host: host, TLS: tls, Policy: "echo",
		Targets: []table.Target{{Instance: "web", Port: 80}},
	}
}

// passed is a row of layer 4 by name on the world's port.
func (w *world) passed(id, host string, to net.Addr) table.RowJSON {
	w.dns.Set(id+".test.internal", dnstest.Record{Addresses: []string{"127.0.0.1"}})
	return table.RowJSON{
		ID: id, Ingress: id, Port: w.port, Host: host, Layer4: &table.Layer4{Protocol: "tls"},
		Targets: []table.Target{{Instance: id, Port: to.(*net.TCPAddr).Port}},
	}
}
