package handshake

import (
	"crypto/tls"
	"net"

	"gatewright.dev/caddy/table"
)

// Wants is what a handshake for a name would ask of the client.
type Wants struct {
	// MinVersion is the lowest version of TLS.
	MinVersion string `json:"min_version"`
	// ClientCertificate is "require", "verify_if_given", "request" or "".
	ClientCertificate string `json:"client_certificate,omitempty"`
	// Certificate is the id of the imported certificate that rows name; "" for any that has the name.
	Certificate string `json:"-"`
}

// Explain tells what a handshake for a name would ask of the client.
func Explain(hosts *table.Table, port uint16, local net.Addr, name string) Wants {
	wanted := wantedOf(hosts.LookupHandshake(port, local, name))
	told := Wants{MinVersion: "1.2", Certificate: wanted.certificate}
	if wanted.minVersion == tls.VersionTLS13 {
		told.MinVersion = "1.3"
	}
	switch wanted.auth {
	case tls.RequireAndVerifyClientCert:
		told.ClientCertificate = "require"
	case tls.VerifyClientCertIfGiven:
		told.ClientCertificate = "verify_if_given"
	case tls.RequestClientCert:
		told.ClientCertificate = "request"
	}
	return told
}
