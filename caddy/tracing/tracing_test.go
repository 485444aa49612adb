package tracing

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"gatewright.dev/caddy/internal/otlptest"
)

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
)

func open(t testing.TB, settings Settings) *Tracer {
	t.Helper()
	tracer, err := Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func request(header ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://shop.test:8000/cart/1?token=marked-query", nil)
	r.Header.Set("Authorization", "Bearer marked-token")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// onward is the request as it goes to an address.
func onward(r *http.Request, address string) *http.Request {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = "http", address
	return out
}

func serve(tracer *Tracer, r *http.Request) (sent []string) {
	q := tracer.Begin(r, false)
	q.Policies()
	auth := onward(r, "10.0.0.9:9091")
	q.Attempt(auth).Answered(&http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}, nil, "")
	sent = append(sent, auth.Header.Get("Traceparent"))
	q.Select().Found("web-1", "10.0.0.5:80")
	first := onward(r, "10.0.0.5:80")
	q.Attempt(first).Answered(nil, errors.New("connection refused"), "refused")
	q.Select().Found("web-1", "10.0.0.6:80")
	second := onward(r, "10.0.0.6:80")
	res := &http.Response{StatusCode: 200, ProtoMajor: 2, Body: io.NopCloser(strings.NewReader("ok"))}
	q.Attempt(second).Answered(res, nil, "")
	_ = res.Body.Close()
	q.End(r, &Outcome{Ingress: "shop", Rule: "i1/0", RequestID: "id-1", Client: "192.0.2.0", Status: 200, Sent: 2})
	return append(sent, first.Header.Get("Traceparent"), second.Header.Get("Traceparent"))
}

// The tree of a request that is tried again, as a receiver gets it by either protocol, after the flush at the end.
func TestSpansOfARequest(t *testing.T) {
	for protocol, start := range map[string]func(testing.TB) *otlptest.Receiver{
		"grpc": otlptest.StartGRPC, "http/protobuf": otlptest.StartHTTP,
	} {
		t.Run(protocol, func(t *testing.T) {
			receiver := start(t)
			file := filepath.Join(t.TempDir(), "headers.json")
			if err := os.WriteFile(file, []byte(`{"authorization":"Bearer for-the-receiver"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			tracer := open(t, Settings{
				Endpoint: receiver.URL, Protocol: protocol, HeadersFile: file, ServiceInstanceID: "edge-1",
				Attributes: map[string]string{"deployment.environment.name": "test"},
			})
			sent := serve(tracer, request())
			if err := tracer.Close(); err != nil {
				t.Fatal(err)
			}
			spans := receiver.Spans()
			// They come as they end: the server's is last.
			root := spans[len(spans)-1]
			names := map[string]string{root.ID(): "root"}
			for _, span := range spans {
				if span.Name == "policies" {
					names[span.ID()] = "policies"
				}
			}
			var got []string
			for _, span := range spans {
				got = append(got, span.Kind.String()[len("SPAN_KIND_"):]+" "+span.Name+" of "+names[span.Parent()])
				if span.Trace() != root.Trace() {
					t.Errorf("%s is of another trace", span.Name)
				}
			}
			want := []string{
				"CLIENT GET of policies", "INTERNAL policies of root", "INTERNAL select of root", "CLIENT GET of root",
				"INTERNAL select of root", "CLIENT GET of root", "SERVER GET shop of ",
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s", strings.Join(got, "\n"))
			}
			for i, at := range []int{0, 3, 5} {
				if want := "00-" + root.Trace() + "-" + spans[at].ID() + "-01"; sent[i] != want {
					t.Errorf("sent %s, want %s", sent[i], want)
				}
			}
			checkAttributes(t, "root", root.Attributes, map[string]any{
				"http.request.method": "GET", "url.scheme": "http", "url.path": "/cart/1", "server.address": "shop.test",
				"server.port": int64(8000), "network.protocol.version": "1.1", "http.response.status_code": int64(200),
				"http.response.body.size": int64(2), "gatewright.ingress": "shop", "gatewright.rule": "i1/0",
				"gatewright.request_id": "id-1", "client.address": "192.0.2.0",
			})
			checkAttributes(t, "failed attempt", spans[3].Attributes, map[string]any{
				"http.request.method": "GET", "url.full": "http://10.0.0.5:80/cart/1", "server.address": "10.0.0.5",
				"server.port": int64(80), "error.type": "refused",
			})
			checkAttributes(t, "second attempt", spans[5].Attributes, map[string]any{
				"http.request.method": "GET", "url.full": "http://10.0.0.6:80/cart/1", "server.address": "10.0.0.6",
				"server.port": int64(80), "http.request.resend_count": int64(1), "http.response.status_code": int64(200),
				"network.protocol.version": "2",
			})
			checkAttributes(t, "selection", spans[4].Attributes, map[string]any{
				"gatewright.target": "web-1", "gatewright.address": "10.0.0.6:80",
			})
			if spans[3].Status.GetCode() != tracev1.Status_STATUS_CODE_ERROR || root.Status.GetCode() != tracev1.Status_STATUS_CODE_UNSET {
				t.Errorf("%v %v", spans[3].Status, root.Status)
			}
			if r := root.Resource; r["service.name"] != "gatewright" || r["service.instance.id"] != "edge-1" || r["deployment.environment.name"] != "test" {
				t.Errorf("%v", r)
			}
			if bytes.Contains(receiver.Raw(), []byte("marked")) {
				t.Error("a secret was sent")
			}
			if got := receiver.Authorization(); len(got) != 1 || got[0] != "Bearer for-the-receiver" {
				t.Errorf("%v", got)
			}
			if protocol != "grpc" && receiver.Path() != "/v1/traces" {
				t.Errorf("%s", receiver.Path())
			}
		})
	}
}

func checkAttributes(t *testing.T, of string, got, want map[string]any) {
	t.Helper()
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s: %s is %v, want %v", of, key, got[key], want[key])
		}
	}
	for key := range got {
		if _, known := want[key]; !known {
			t.Errorf("%s: %s is %v", of, key, got[key])
		}
	}
}

// What a caller decided holds where the caller is believed; any other gets a new trace, with a link.
func TestParents(t *testing.T) {
	for _, c := range []struct {
		name, sent           string
		trusted, trustAll    bool
		sampler              string
		goesOn, sampled, has bool
	}{
		{"of a trusted proxy", "01", true, false, "", true, true, false},
		{"not sampled, of a trusted proxy", "00", true, false, "", true, false, false},
		{"not sampled, of a trusted proxy, but all are wanted", "00", true, false, "always_on", true, true, false},
		{"sampled, of a trusted proxy, but none are wanted", "01", true, false, "always_off", true, false, false},
		{"of anybody", "01", false, false, "", false, true, true},
		{"not sampled, of anybody", "00", false, false, "", false, true, true},
		{"sampled, of anybody, where none are", "01", false, false, "parentbased_always_off", false, false, false},
		{"of anybody, who is believed", "00", false, true, "", true, false, false},
	} {
		receiver := otlptest.StartHTTP(t)
		tracer := open(t, Settings{
			Endpoint: receiver.URL, Protocol: "http/protobuf", Sampler: c.sampler, TrustParents: c.trustAll,
		})
		r := request("Traceparent", "00-"+parentTrace+"-"+parentSpan+"-"+c.sent, "Tracestate", "vendor=1")
		q := tracer.Begin(r, c.trusted)
		told := strings.Split(r.Header.Get("Traceparent"), "-")
		q.End(r, &Outcome{Status: 200})
		if err := tracer.Close(); err != nil {
			t.Fatal(err)
		}
		if (q.TraceID() == parentTrace) != c.goesOn || told[1] != q.TraceID() || (told[3] == "01") != c.sampled {
			t.Errorf("%s: trace %s, told %v", c.name, q.TraceID(), told)
		}
		if (r.Header.Get("Tracestate") == "vendor=1") != c.goesOn {
			t.Errorf("%s: tracestate %q", c.name, r.Header.Get("Tracestate"))
		}
		spans := receiver.Spans()
		if len(spans) != 0 != c.sampled {
			t.Fatalf("%s: %d spans", c.name, len(spans))
		}
		if !c.sampled {
			continue
		}
		if (spans[0].Parent() == parentSpan) != c.goesOn || (len(spans[0].Links) == 1) != c.has {
			t.Errorf("%s: parent %q, links %v", c.name, spans[0].Parent(), spans[0].Links)
		}
	}
}

// A share of the traces, and no more spans of one that is left out.
func TestShares(t *testing.T) {
	share := 0.25
	tracer := open(t, Settings{Endpoint: "http://127.0.0.1:9", Sampler: "traceidratio", SamplerArg: &share})
	const count = 4000
	recorded := 0
	for range count {
		r := request()
		q := tracer.Begin(r, false)
		if q.Recording() {
			recorded++
			continue
		}
		before := r.Header.Get("Traceparent")
		q.Policies()
		if q.Attempt(r) != nil || r.Header.Get("Traceparent") != before || !strings.HasSuffix(before, "-00") {
			t.Fatal("a request that is left out has spans")
		}
		q.End(r, &Outcome{Status: 200})
	}
	if got := float64(recorded) / count; got < share-0.05 || got > share+0.05 {
		t.Errorf("%v of all", got)
	}
}

// One pipeline of equal settings, so that a reload loses nothing; it is flushed when the last one ends.
func TestReloads(t *testing.T) {
	receiver := otlptest.StartGRPC(t)
	settings := Settings{Endpoint: receiver.URL}
	old := open(t, settings)
	r := request()
	q := old.Begin(r, false)
	fresh := open(t, settings)
	if old.pipeline != fresh.pipeline {
		t.Error("a reload makes another pipeline")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	q.End(r, &Outcome{Status: 200})
	if err := fresh.Close(); err != nil {
		t.Fatal(err)
	}
	if spans := receiver.Spans(); len(spans) != 1 {
		t.Errorf("%d spans", len(spans))
	}
	settings.HeadersVersion = "1"
	other := open(t, settings)
	defer other.Close()
	if other.pipeline == fresh.pipeline {
		t.Error("other headers do not make another pipeline")
	}
}

func TestSettingsThatCannotBeMeant(t *testing.T) {
	above := 2.0
	folder := t.TempDir()
	secret := filepath.Join(folder, "headers.json")
	if err := os.WriteFile(secret, []byte("Bearer marked-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, settings := range map[string]Settings{
		"endpoint: is no http or https URL":    {Endpoint: "collector:4317"},
		"protocol: \"udp\" is neither":         {Endpoint: "http://c", Protocol: "udp"},
		"sampler: \"some\" is not known":       {Endpoint: "http://c", Sampler: "some"},
		"sampler_arg: 2 is not":                {Endpoint: "http://c", SamplerArg: &above},
		"timeout: is negative":                 {Endpoint: "http://c", Timeout: -1},
		"headers_file: open":                   {Endpoint: "http://c", HeadersFile: filepath.Join(folder, "none")},
		"headers_file: is no object of JSON":   {Endpoint: "http://c", HeadersFile: secret},
		"ca_file: has no certificate":          {Endpoint: "https://c", CAFile: secret},
		"endpoint: is no http or https URL\nt": {Timeout: -1},
	} {
		_, err := Open(settings)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "marked") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Nothing is paid for requests without a trace.
func TestNothingIsPaidWithoutATrace(t *testing.T) {
	r := request()
	var q *Request
	if paid := testing.AllocsPerRun(100, func() {
		q.Policies()
		q.Select().Found("web-1", "10.0.0.5:80")
		q.Attempt(r).Answered(nil, nil, "")
		q.End(r, nil)
		if q.TraceID() != "" || q.Recording() {
			t.Error("there is a trace")
		}
	}); paid != 0 {
		t.Errorf("%v allocations", paid)
	}
}

func BenchmarkRequest(b *testing.B) {
	never, tenth := 0.0, 0.1
	for name, settings := range map[string]*Settings{
		"off": nil, "none sampled": {SamplerArg: &never}, "a tenth sampled": {SamplerArg: &tenth}, "all sampled": {},
	} {
		b.Run(name, func(b *testing.B) {
			var tracer *Tracer
			if settings != nil {
				settings.Endpoint, settings.Sampler = otlptest.StartGRPC(b).URL, "traceidratio"
				tracer = open(b, *settings)
				defer tracer.Close()
			}
			r := request()
			b.ReportAllocs()
			for b.Loop() {
				var q *Request
				if tracer != nil {
					delete(r.Header, "Traceparent")
					q = tracer.Begin(r, false)
				}
				q.Policies()
				q.Select().Found("web-1", "10.0.0.5:80")
				q.Attempt(r).Answered(&http.Response{StatusCode: 200, Body: http.NoBody}, nil, "")
				q.End(r, &Outcome{Ingress: "shop", Status: 200})
			}
		})
	}
}
