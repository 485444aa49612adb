package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// place is where a test's lines go: a writer that can be held up, and can fail.
type place struct {
	mu     sync.Mutex
	text   bytes.Buffer
	opened int
	closed int
	fail   error
	// partly has a write that fails take so many bytes.
	partly int
	// gate, unless nil, is what each write waits for.
	gate chan struct{}
	// began gets a value when a write begins to wait.
	began chan struct{}
}

func (p *place) String() string    { return "place" }
func (p *place) WriterKey() string { return "place" }

func (p *place) OpenWriter() (io.WriteCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	return p, nil
}

func (p *place) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed++
	return nil
}

func (p *place) Write(text []byte) (int, error) {
	if p.gate != nil {
		select {
		case p.began <- struct{}{}:
		default:
		}
		<-p.gate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		p.text.Write(text[:p.partly])
		return p.partly, p.fail
	}
	return p.text.Write(text)
}

func (p *place) failWith(err error, partly int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail, p.partly = err, partly
}

// read is what was written, a line each; what is no JSON is an error.
func (p *place) read(t *testing.T) (lines []map[string]any) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	return parse(t, p.text.String())
}

func parse(t *testing.T, text string) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, fields)
	}
	return lines
}

// until waits for what has to happen.
func until(t *testing.T, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// valueOf is what a counter counts now.
func valueOf(of prometheus.Counter) float64 {
	var told dto.Metric
	_ = of.Write(&told)
	return told.Counter.GetValue()
}

// logTo is a log of everything that writes to the place.
func logTo(t *testing.T, to caddy.WriterOpener, logger *zap.Logger) *Log {
	s := newSink(nil)
	s.use(to, "{}", logger)
	l := &Log{settings: Settings{Log: All}, share: 1, sink: s}
	t.Cleanup(func() {
		select {
		case <-s.stop:
		default:
			_ = s.Destruct()
		}
	})
	return l
}

func TestLinesAreWrittenInTheirOrderAndAtTheEnd(t *testing.T) {
	to := &place{}
	l := logTo(t, to, zap.NewNop())
	const count = 1000
	for i := range count {
		l.write("request", []zap.Field{zap.Int("n", i)})
	}
	if err := l.sink.Destruct(); err != nil {
		t.Fatal(err)
	}
	lines := to.read(t)
	if len(lines) != count {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		if line["n"] != float64(i) || line["kind"] != "request" || line["time"] == "" {
			t.Fatalf("line %d: %v", i, line)
		}
	}
	if to.opened != 1 || to.closed != 1 {
		t.Errorf("opened %d times, closed %d times", to.opened, to.closed)
	}
}

// A place that takes nothing holds up nobody: what the queue has no room for is left out, counted and told.
func TestWhoWritesNeverWaits(t *testing.T) {
	to := &place{gate: make(chan struct{}), began: make(chan struct{}, 1)}
	core, seen := observer.New(zapcore.WarnLevel)
	l := logTo(t, to, zap.New(core))
	before := valueOf(dropped)
	l.write("request", nil)
	<-to.began
	for range maxQueued + 500 {
		l.write("request", nil)
	}
	if lost := valueOf(dropped) - before; lost != 500 {
		t.Errorf("%v lines were dropped", lost)
	}
	close(to.gate)
	_ = l.sink.Destruct()
	told := 0.0
	lines := to.read(t)
	for _, line := range lines {
		if line["kind"] == "dropped" {
			told += line["lines"].(float64)
		}
	}
	if told != 500 || len(lines) != maxQueued+2 {
		t.Errorf("%d lines, which tell of %v", len(lines), told)
	}
	if seen.FilterMessage("the access log lacks lines").Len() != 1 {
		t.Errorf("%v", seen.All())
	}
}

func TestTheQueueIsBoundedInBytesToo(t *testing.T) {
	to := &place{gate: make(chan struct{}), began: make(chan struct{}, 1)}
	l := logTo(t, to, zap.NewNop())
	before := valueOf(dropped)
	long := []zap.Field{zap.String("text", strings.Repeat("a", 1<<20))}
	for range 20 {
		l.write("request", long)
	}
	if queued := l.sink.queued.Load(); queued > maxQueuedBytes {
		t.Errorf("%d bytes wait", queued)
	}
	if lost := valueOf(dropped) - before; lost < 11 {
		t.Errorf("%v of 20 MiB were dropped", lost)
	}
	close(to.gate)
}

// A disk that was full and is not any more: the lines in between are missing, and the next ones are whole.
func TestAfterAFailure(t *testing.T) {
	to := &place{}
	l := logTo(t, to, zap.NewNop())
	before := valueOf(dropped)
	to.failWith(errors.New("no space left"), 5)
	l.write("lost", nil)
	until(t, func() bool { return valueOf(dropped) > before })
	to.failWith(nil, 0)
	l.write("found", nil)
	_ = l.sink.Destruct()
	_, rest, _ := strings.Cut(to.text.String(), "\n")
	lines := parse(t, rest)
	if len(lines) != 2 || lines[0]["kind"] != "dropped" || lines[0]["lines"] != 1.0 || lines[1]["kind"] != "found" {
		t.Errorf("%v", lines)
	}
}

// Of a configuration with other settings lines go to its writer, and none is lost.
func TestOtherSettings(t *testing.T) {
	one, other := &place{}, &place{}
	l := logTo(t, one, zap.NewNop())
	l.write("one", nil)
	until(t, func() bool { return len(one.read(t)) == 1 })
	l.sink.use(other, `{"other":true}`, zap.NewNop())
	l.write("other", nil)
	_ = l.sink.Destruct()
	if got := other.read(t); len(got) != 1 || got[0]["kind"] != "other" || one.closed != 1 {
		t.Errorf("%v, closed %d", got, one.closed)
	}
}

// The file is rotated at its size, and no more older ones are kept than that.
func TestTheFileIsBounded(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "access.log")
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	writer, _ := json.Marshal(map[string]any{
		"output": "file", "filename": file, "mode": "0600", "roll_size_mb": 1, "roll_keep": 2, "roll_gzip": false,
	})
	l, err := Open(ctx, Settings{Log: All, WriterRaw: writer}, "")
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 0 {
		t.Error("there is a file before there is a line")
	}
	text := []zap.Field{zap.String("text", strings.Repeat("a", 1000))}
	before := valueOf(written)
	for range 8 {
		// Not more than the queue takes.
		for range 1000 {
			l.write("request", text)
		}
		before += 1000
		until(t, func() bool { return valueOf(written) >= before })
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v %v", entries, err)
	}
	var size int64
	for _, entry := range entries {
		info, _ := entry.Info()
		size += info.Size()
		if info.Mode() != 0o600 {
			t.Errorf("%s: %v", entry.Name(), info.Mode())
		}
	}
	if size > 3<<20 {
		t.Errorf("%d bytes", size)
	}
}

// A process that was replaced writes its last lines to the file that its successor has by then, and tears none of the
// successor's.
func TestTwoProcessesWriteToOneFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	settings := Settings{WriterRaw: defaultWriter(file)}
	loaded, err := ctx.LoadModule(&settings, "WriterRaw")
	if err != nil {
		t.Fatal(err)
	}
	draining := make(chan struct{})
	process := func(draining <-chan struct{}) *Log {
		s := newSink(draining)
		s.use(loaded.(caddy.WriterOpener), "{}", zap.NewNop())
		return &Log{settings: Settings{Log: All}, share: 1, sink: s}
	}
	old, next := process(draining), process(nil)
	before := valueOf(written)
	old.write("old", []zap.Field{zap.String("text", strings.Repeat("a", 100))})
	until(t, func() bool { return valueOf(written) == before+1 })
	// As when the file was rotated by the old one meanwhile: it does not append then, but goes on where it was.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	close(draining)
	for i := range 100 {
		next.write("next", []zap.Field{zap.Int("n", i)})
		old.write("old", []zap.Field{zap.Int("n", i)})
	}
	_ = old.sink.Destruct()
	_ = next.sink.Destruct()
	seen := map[string]int{}
	for _, name := range []string{file, file + ".1"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range parse(t, string(text)) {
			seen[line["kind"].(string)]++
		}
	}
	if seen["next"] != 100 || seen["old"] != 101 {
		t.Errorf("%v", seen)
	}
}
