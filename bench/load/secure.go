package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
)

// asker is one connection, as a function that sends a request and reads the answer.
func (l *httpLoad) asker(choose chooser) (ask func() (int, error), end func()) {
	if l.secure == "h2" {
		return l.askHTTP2(string(l.hosts.append(nil, choose())))
	}
	conn := &connection{target: l.target}
	var request []byte
	return func() (int, error) {
		if l.secure == "" || conn.conn == nil {
			request = append(request[:0], "GET / HTTP/1.1\r\nHost: "...)
			begin := len(request)
			request = l.hosts.append(request, choose())
			if l.secure != "" {
				conn.name = string(request[begin:])
			}
			request = append(request, "\r\nUser-Agent: load\r\n\r\n"...)
		}
		status, err := conn.exchange(request)
		if l.secure == "new" {
			conn.close()
		}
		return status, err
	}, conn.close
}

// askHTTP2 asks over one connection of HTTP/2 by Go's own client, which opens another when the server goes away.
func (l *httpLoad) askHTTP2(host string) (ask func() (int, error), end func()) {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{ServerName: host, InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.target)
		},
	}
	client := &http.Client{Transport: transport, Timeout: exchangeTimeout}
	return func() (int, error) {
		response, err := client.Get("https://" + host + "/")
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return response.StatusCode, err
	}, transport.CloseIdleConnections
}
