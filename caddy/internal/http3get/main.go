// Http3get sends a GET over HTTP/3 and prints protocol, status and body; for tests, since Node has no client.
//
//	http3get <host:port> <server name> <file with roots> [again | steady]
//
// With `again` it comes back with the session it was given and sends the second GET as early data (0-RTT) where the server
// lets it; what that had is printed. With `steady` clients keep asking until the standard input ends (see steady).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], append(os.Args, "")[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, name, roots, how string) error {
	pem, err := os.ReadFile(roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	trust := &tls.Config{RootCAs: pool, ServerName: name, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if how == "steady" {
		return steady(address, name, trust)
	}
	if err := get(address, name, trust, http.MethodGet); err != nil || how != "again" {
		return err
	}
	return get(address, name, trust, http3.MethodGet0RTT)
}

func get(address, name string, trust *tls.Config, method string) error {
	var conn *quic.Conn
	transport := &http3.Transport{
		TLSClientConfig: trust,
		Dial: func(ctx context.Context, _ string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
			made, err := quic.DialAddrEarly(ctx, address, config, settings)
			conn = made
			return made, err
		},
	}
	defer transport.Close()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	request, err := http.NewRequest(method, "https://"+name+"/", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Println(response.Proto, response.StatusCode, string(body))
	if state := conn.ConnectionState(); state.TLS.DidResume {
		fmt.Println("resumed, early data:", state.Used0RTT)
	}
	return nil
}
