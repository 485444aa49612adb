// Package otlptest is a receiver of OTLP for tests.
package otlptest

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was received.
type Span struct {
	*tracev1.Span
	// Attributes are in the form in which people read them.
	Attributes map[string]any
	// Resource has those of the resource.
	Resource map[string]any
}

// ID and Parent are in hex; Parent is "" of a root.
func (s *Span) ID() string     { return hex.EncodeToString(s.SpanId) }
func (s *Span) Parent() string { return hex.EncodeToString(s.ParentSpanId) }
func (s *Span) Trace() string  { return hex.EncodeToString(s.TraceId) }

// Receiver takes spans by gRPC or by HTTP.
type Receiver struct {
	collector.UnimplementedTraceServiceServer

	// URL is the endpoint.
	URL string

	mu     sync.Mutex
	spans  []*Span
	header []string
	path   string
	raw    []byte
}

// StartGRPC starts one that listens for gRPC.
func StartGRPC(t testing.TB) *Receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{URL: "http://" + listener.Addr().String()}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return r
}

// StartHTTP starts one that takes protobuf by HTTP.
func StartHTTP(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(text, &request); err != nil {
			t.Error(err)
		}
		r.take(&request, q.Header.Values("Authorization"), q.URL.Path)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Export is the service's one method.
func (r *Receiver) Export(ctx context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	fields, _ := metadata.FromIncomingContext(ctx)
	r.take(request, fields.Get("authorization"), "")
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *Receiver) take(request *collector.ExportTraceServiceRequest, header []string, path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header, r.path = header, path
	text, _ := proto.Marshal(request)
	r.raw = append(r.raw, text...)
	for _, ofResource := range request.ResourceSpans {
		for _, ofScope := range ofResource.ScopeSpans {
			for _, span := range ofScope.Spans {
				r.spans = append(r.spans, &Span{span, plain(span.Attributes), plain(ofResource.Resource.Attributes)})
			}
		}
	}
}

func plain(from []*commonv1.KeyValue) map[string]any {
	to := make(map[string]any, len(from))
	for _, pair := range from {
		switch value := pair.Value.Value.(type) {
		case *commonv1.AnyValue_StringValue:
			to[pair.Key] = value.StringValue
		case *commonv1.AnyValue_IntValue:
			to[pair.Key] = value.IntValue
		case *commonv1.AnyValue_BoolValue:
			to[pair.Key] = value.BoolValue
		default:
			to[pair.Key] = pair.Value.String()
		}
	}
	return to
}

// Spans are those received so far, in the order in which they came.
func (r *Receiver) Spans() []*Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Span(nil), r.spans...)
}

// Await is Spans, as soon as there are so many.
func (r *Receiver) Await(t testing.TB, count int) []*Span {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if spans := r.Spans(); len(spans) >= count {
			return spans
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d spans came", len(r.Spans()), count)
		}
	}
}

// Raw is all that was received, as octets: what is nowhere in it was not sent.
func (r *Receiver) Raw() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]byte(nil), r.raw...)
}

// Authorization and Path are those of the last export.
func (r *Receiver) Authorization() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.header
}

// Path is that of the last export by HTTP.
func (r *Receiver) Path() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.path
}
