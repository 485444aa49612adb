package tracing

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/sdk/trace"
)

// sampler is the one that the settings name, as OTEL_TRACES_SAMPLER does
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
func (s *Settings) sampler() (trace.Sampler, error) {
	name, parentBased := strings.CutPrefix(s.Sampler, "parentbased_")
	share := 1.0
	if s.SamplerArg != nil {
		share = *s.SamplerArg
	}
	var root trace.Sampler
	switch name {
	case "always_on":
		root = trace.AlwaysSample()
	case "always_off":
		root = trace.NeverSample()
	case "traceidratio":
		root = trace.TraceIDRatioBased(share)
	default:
		return nil, fmt.Errorf("sampler: %q is not known", s.Sampler)
	}
	if parentBased {
		return trace.ParentBased(root), nil
	}
	return root, nil
}
