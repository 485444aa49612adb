package layer4

import (
	"os"
	"path/filepath"
	"testing"

	"gatewright.dev/caddy/internal/certtest"
	"gatewright.dev/caddy/table"
)

// A row may have a certificate of its own for its targets, read at each handshake.
func TestCertificatesForTargets(t *testing.T) {
	if config := tlsConfig(&table.Layer4{TLS: &table.Layer4TLS{ServerName: "x.test"}}); config.GetClientCertificate != nil || config.ServerName != "x.test" || config.RootCAs != nil {
		t.Errorf("without one: %+v", config)
	}
	folder := t.TempDir()
	options := &table.Layer4TLS{CertificateFile: filepath.Join(folder, "cert.pem"), KeyFile: filepath.Join(folder, "key.pem")}
	row := &table.Layer4{TLS: options}
	config := tlsConfig(row)
	if config.GetClientCertificate == nil {
		t.Fatal("none is shown")
	}
	if _, err := config.GetClientCertificate(nil); err == nil {
		t.Error("there is one where there is no file")
	}
	for _, name := range []string{"first.test", "renewed.test"} {
		certificate, key := certtest.SelfSigned(t, name)
		for file, text := range map[string]string{options.CertificateFile: certificate, options.KeyFile: key} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if shown, err := tlsConfig(row).GetClientCertificate(nil); err != nil || shown.Leaf.VerifyHostname(name) != nil {
			t.Errorf("%s is not shown: %v", name, err)
		}
	}
	if tlsConfig(row) != config {
		t.Error("it is made again for each connection")
	}
}

func TestPortsOfLayer4(t *testing.T) {
	w := newWorld(t)
	tcpPort, udpAddress := uint16(w.port), freeUDP(t)
	if Listens("tcp", tcpPort) {
		t.Error("before there is a configuration")
	}
	w.apps["gatewright_layer4"] = map[string]any{
		"tcp": []any{map[string]any{"listen": []string{w.listen(w.port)}}}, "udp": []string{udpAddress},
	}
	w.server["listen"] = []string{}
	w.load()
	udpPort := addressOf(t, udpAddress).Port()
	for _, c := range []struct {
		network string
		port    uint16
		listens bool
	}{{"tcp", tcpPort, true}, {"tcp", udpPort, false}, {"udp", udpPort, true}, {"udp", tcpPort, false}} {
		if got := Listens(c.network, c.port); got != c.listens {
			t.Errorf("%s %d: %v", c.network, c.port, got)
		}
	}
}
