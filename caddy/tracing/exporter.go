package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"google.golang.org/grpc/credentials"
)

// exporter sends spans to the receiver. It connects with the first of them.
func (s *Settings) exporter(ctx context.Context) (*otlptrace.Exporter, error) {
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, err
	}
	headers, err := s.headers()
	if err != nil {
		return nil, err
	}
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	secured := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if s.Protocol == "grpc" {
		options := []otlptracegrpc.Option{
			otlptracegrpc.WithEndpoint(endpoint.Host),
			otlptracegrpc.WithHeaders(headers),
			otlptracegrpc.WithTimeout(time.Duration(s.Timeout)),
		}
		if endpoint.Scheme == "http" {
			options = append(options, otlptracegrpc.WithInsecure())
		} else {
			options = append(options, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(secured)))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(endpoint.Host),
		otlptracehttp.WithURLPath(strings.TrimRight(endpoint.Path, "/") + "/v1/traces"),
		otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithTimeout(time.Duration(s.Timeout)),
	}
	if endpoint.Scheme == "http" {
		options = append(options, otlptracehttp.WithInsecure())
	} else {
		options = append(options, otlptracehttp.WithTLSClientConfig(secured))
	}
	return otlptracehttp.New(ctx, options...)
}

// roots are those of CAFile; nil stands for the system's.
func (s *Settings) roots() (*x509.CertPool, error) {
	if s.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("ca_file: has no certificate")
	}
	return roots, nil
}
