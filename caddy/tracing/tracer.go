package tracing

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"gatewright.dev/caddy/internal/sample"
)

// flushTime bounds the sending of what waits when the last configuration that has the tracer ends.
const flushTime = 5 * time.Second

// Tracer makes spans. Those of configurations with equal settings are one, so that a reload loses none.
type Tracer struct {
	trustParents bool
	key          string
	pipeline     *pipeline
}

// pipeline is what tracers share.
type pipeline struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// pipelines are those of this process, by their settings.
var pipelines = caddy.NewUsagePool()

// propagator reads and writes traceparent and tracestate (https://www.w3.org/TR/trace-context/).
var propagator propagation.TraceContext

// Open is a tracer by these settings.
func Open(settings Settings) (*Tracer, error) {
	if err := settings.normalize(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	t := &Tracer{trustParents: settings.TrustParents, key: string(text)}
	handling.Do(handleErrors)
	shared, _, err := pipelines.LoadOrNew(t.key, func() (caddy.Destructor, error) { return newPipeline(&settings) })
	if err != nil {
		return nil, err
	}
	t.pipeline = shared.(*pipeline)
	return t, nil
}

// Close gives the pipeline back; the last one sends what waits.
func (t *Tracer) Close() error {
	_, err := pipelines.Delete(t.key)
	return err
}

func newPipeline(settings *Settings) (*pipeline, error) {
	exporter, err := settings.exporter(context.Background())
	if err != nil {
		return nil, err
	}
	sampler, err := settings.sampler()
	if err != nil {
		return nil, err
	}
	about, err := resource.Merge(resource.Default(), settings.resource())
	if err != nil {
		return nil, err
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithSampler(sampler), sdk.WithResource(about))
	return &pipeline{provider, provider.Tracer("gatewright.dev/caddy")}, nil
}

func (s *Settings) resource() *resource.Resource {
	attributes := []attribute.KeyValue{}
	for key, value := range s.Attributes {
		attributes = append(attributes, attribute.String(key, value))
	}
	attributes = append(attributes, semconv.ServiceName(s.ServiceName))
	if s.ServiceInstanceID != "" {
		attributes = append(attributes, semconv.ServiceInstanceID(s.ServiceInstanceID))
	}
	return resource.NewSchemaless(attributes...)
}

// Destruct sends what waits (caddy.Destructor).
func (p *pipeline) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	return p.provider.Shutdown(ctx)
}

var (
	handling sync.Once
	failures sample.Limiter
)

// handleErrors has exports that fail be logged, once a second at the most: without it the SDK writes each to the standard
// error.
func handleErrors() {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if suppressed, ok := failures.Allow("export"); ok {
			caddy.Log().Named("tracing").Warn("spans could not be exported", zap.Error(err), zap.Uint32("suppressed", suppressed))
		}
	}))
}
