package tracing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Settings say where spans go, and of which requests there are some.
type Settings struct {
	// Endpoint is the receiver: `http://host:port`, or https, with a path where the protocol has one.
	Endpoint string `json:"endpoint"`

	// Protocol is "grpc" or "http/protobuf". Default: "grpc".
	Protocol string `json:"protocol,omitempty"`

	// HeadersFile has the headers of each export, as an object of JSON: mostly tokens, which no configuration is to show.
	HeadersFile string `json:"headers_file,omitempty"`

	// HeadersVersion is another one when the file is, so that settings with other headers are other settings.
	HeadersVersion string `json:"headers_version,omitempty"`

	// CAFile has the roots that the receiver is verified by, in PEM. Default: the system's.
	CAFile string `json:"ca_file,omitempty"`

	// Timeout bounds an export. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// ServiceName, ServiceInstanceID and Attributes say whose spans they are. Default: "gatewright", and no more.
	ServiceName       string            `json:"service_name,omitempty"`
	ServiceInstanceID string            `json:"service_instance_id,omitempty"`
	Attributes        map[string]string `json:"attributes,omitempty"`

	// Sampler is one of OpenTelemetry's: "always_on", "always_off", "traceidratio", or "parentbased_…" of these, which
	// does as the caller did that sent a traceparent. Default: "parentbased_always_on".
	Sampler string `json:"sampler,omitempty"`

	// SamplerArg is the share of "traceidratio", from 0 to 1. Default: 1.
	SamplerArg *float64 `json:"sampler_arg,omitempty"`

	// TrustParents has traces go on that any client sends. Default: those that a trusted proxy sends go on; those of others
	// start new ones, with a link to the client's, so that nobody decides from outside what is sampled.
	TrustParents bool `json:"trust_parents,omitempty"`
}

const defaultTimeout = 10 * time.Second

// normalize fills in defaults and refuses what cannot be meant, everything at once.
func (s *Settings) normalize() error {
	var problems []error
	if s.Protocol == "" {
		s.Protocol = "grpc"
	}
	if s.Protocol != "grpc" && s.Protocol != "http/protobuf" {
		problems = append(problems, fmt.Errorf(`protocol: %q is neither "grpc" nor "http/protobuf"`, s.Protocol))
	}
	endpoint, err := url.Parse(s.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		problems = append(problems, errors.New("endpoint: is no http or https URL"))
	}
	if s.Timeout < 0 {
		problems = append(problems, errors.New("timeout: is negative"))
	}
	if s.Timeout == 0 {
		s.Timeout = caddy.Duration(defaultTimeout)
	}
	if s.ServiceName == "" {
		s.ServiceName = "gatewright"
	}
	if s.Sampler == "" {
		s.Sampler = "parentbased_always_on"
	}
	if s.SamplerArg != nil && (*s.SamplerArg < 0 || *s.SamplerArg > 1) {
		problems = append(problems, fmt.Errorf("sampler_arg: %v is not between 0 and 1", *s.SamplerArg))
	}
	if _, err := s.sampler(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// headers are those of each export.
func (s *Settings) headers() (map[string]string, error) {
	if s.HeadersFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("headers_file: %w", err)
	}
	var headers map[string]string
	if err := json.Unmarshal(text, &headers); err != nil {
		// Not the error itself, which might repeat some of the file.
		return nil, errors.New("headers_file: is no object of JSON")
	}
	return headers, nil
}
