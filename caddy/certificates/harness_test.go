package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"gatewright.dev/caddy/app"
	"gatewright.dev/caddy/internal/dnstest"
	"gatewright.dev/caddy/internal/freeport"
	"gatewright.dev/caddy/table"
)

// This file is the harness of the tests that order certificates.

// world is a Caddy in this process that ends TLS on one port. Names are the process's, so that tests do not run in
// parallel.
type world struct {
	t       *testing.T
	dns     *dnstest.Server
	port    int
	storage string
	// store is the storage; nil for files.
	store         map[string]any
	key           string
	credentials   string
	staged        bool
	rows, version int
	present       map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOver(t, nil)
}

func newWorldOver(t *testing.T, store map[string]any) *world {
	t.Helper()
	storage, err := os.MkdirTemp("", "gatewright-names-")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dns: dnstest.Start(t), port: freeport.Find(t), storage: storage, store: store, present: map[string]string{}}
	set(func() {
		clear(gates.orders)
		clear(gates.signed)
		clear(gates.ended)
		clear(gates.closed)
		clear(gates.refused)
		gates.life = time.Hour
	})
	w.load()
	t.Cleanup(func() {
		clear(w.present)
		w.tell()
		w.until("all orders to end", func() bool { return w.known() == 0 })
		// One that fails for want of its files keeps certmagic from the next one of this name for a minute.
		set(func() { clear(gates.closed) })
		w.until("renewals to end", func() bool { return !renewing() })
		_ = caddy.Stop()
		// A renewal may be writing still.
		w.until("the files to go", func() bool { return os.RemoveAll(storage) == nil })
	})
	return w
}

// load has Caddy run the world's configuration.
func (w *world) load() {
	w.t.Helper()
	w.version++
	issuers := func(issuers ...any) map[string]any { return map[string]any{"issuers": issuers} }
	storage := w.store
	if storage == nil {
		storage = map[string]any{"module": "file_system", "root": w.storage}
	}
	text, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"level": "FATAL"}}},
		"storage": storage,
		"apps": map[string]any{
			"gatewright": map[string]any{"resolver": map[string]any{"address": w.dns.Address}, "version": fmt.Sprint(w.version)},
			"gatewright_certificates": map[string]any{
				"authorities": map[string]any{
					"internal": issuers(map[string]any{"module": "internal"}),
					"gate":     issuers(map[string]any{"module": "test_gate", "key": w.key}),
					"both":     issuers(map[string]any{"module": "test_gate"}, map[string]any{"module": "internal"}),
				},
				"credentials":    w.credentials,
				"renew_interval": "100ms",
			},
			"pki": map[string]any{"certificate_authorities": map[string]any{"local": map[string]any{"install_trust": false}}},
			"tls": map[string]any{"automation": map[string]any{
				"policies": []any{map[string]any{
					"get_certificate": []any{map[string]any{"via": "gatewright"}}, "issuers": []any{map[string]any{"module": "internal"}},
				}},
				"on_demand": map[string]any{"permission": map[string]any{"module": "gatewright_nobody"}},
			}},
			"http": map[string]any{"servers": map[string]any{"main": map[string]any{
				"listen": []string{fmt.Sprint("gatewright/127.0.0.1:", w.port)}, "automatic_https": map[string]any{"disable": true},
				"listener_wrappers": []any{map[string]any{"wrapper": "gatewright", "tls": map[string]any{}}},
				"routes":            []any{map[string]any{"handle": []any{map[string]any{"handler": "gatewright"}}}},
			}}},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		w.t.Fatal(err)
	}
}

// add has rows for hosts, whose names an issuer signs.
func (w *world) add(issuer string, hosts ...string) {
	w.t.Helper()
	for _, host := range hosts {
		w.present[host] = issuer
	}
	w.tell()
}

func (w *world) remove(hosts ...string) {
	w.t.Helper()
	for _, host := range hosts {
		delete(w.present, host)
	}
	w.tell()
}

// tell replaces the host table by what is present.
func (w *world) tell() {
	w.t.Helper()
	rows := table.NewRows()
	rows.Staged = w.staged
	for host, issuer := range w.present {
		rows.Add(&table.RowJSON{
			ID: host, Ingress: host, Port: w.port, Host: host, TLS: true, Redirect: &table.Redirect{Port: w.port},
			ManagedName: &table.ManagedName{Subject: host, Issuer: issuer},
		})
	}
	w.rows++
	if err := app.HostTable().Replace(fmt.Sprint(w.t.Name(), w.rows), rows); err != nil {
		w.t.Fatal(err)
	}
}

// known is how many names there are, those included whose orders are ending.
func (w *world) known() int {
	managed.mu.RLock()
	defer managed.mu.RUnlock()
	return len(managed.bySubject)
}

// renewing tells whether certmagic renews anything; nothing else tells.
func renewing() bool { return isRunning("certmagic.(*Cache).queueRenewalTask.func") }

// isRunning tells whether the stack of any goroutine has a text.
func isRunning(what string) bool {
	stacks := make([]byte, 4<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(what))
}

// shown is the certificate that a handshake shows.
func (w *world) shown(host string) (*x509.Certificate, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", fmt.Sprint("127.0.0.1:", w.port), &tls.Config{
		ServerName: host, InsecureSkipVerify: true,
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// must is the certificate that the first handshake shows.
func (w *world) must(host string) *x509.Certificate {
	w.t.Helper()
	certificate, err := w.shown(host)
	if err != nil {
		w.t.Fatalf("%s is not served: %v", host, err)
	}
	return certificate
}

// mustNot fails where a handshake shows a certificate.
func (w *world) mustNot(host string) {
	w.t.Helper()
	if certificate, err := w.shown(host); err == nil {
		w.t.Fatalf("%s is served with %v", host, certificate.DNSNames)
	}
}

func (w *world) until(what string, test func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !test(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (w *world) untilServed(host string) {
	w.t.Helper()
	w.until(host+" to be served", func() bool {
		_, err := w.shown(host)
		return err == nil
	})
}
