package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Selection is the looking for an address. Its methods, one of which ends its span, do nothing for a nil one.
type Selection struct{ span trace.Span }

// Found tells of the address, and the target that has it; "" of one that is an address itself.
func (s *Selection) Found(target, address string) {
	if s == nil {
		return
	}
	if target != "" {
		s.span.SetAttributes(attribute.String("gatewright.target", target))
	}
	s.span.SetAttributes(attribute.String("gatewright.address", address))
	s.span.End()
}

// Failed tells why there is no address.
func (s *Selection) Failed(err error) {
	if s == nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.span.SetStatus(codes.Error, text)
	s.span.End()
}
