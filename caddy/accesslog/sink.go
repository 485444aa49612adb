package accesslog

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

const (
	// maxQueued and maxQueuedBytes bound what waits to be written.
	maxQueued      = 8192
	maxQueuedBytes = 8 << 20
	// batchBytes is how much is written at a time while there is more. No log file may be smaller.
	batchBytes = 64 << 10
	// endTime bounds the writing of what waits when the log is closed.
	endTime = 5 * time.Second
	// toldEvery is the time between two warnings of lines that were left out.
	toldEvery = time.Second
)

// sink writes lines, in the order in which they came, by a goroutine of its own. It belongs to the process: configurations
// that log to the same place share it, and a reload loses no line.
type sink struct {
	lines  chan *buffer.Buffer
	queued atomic.Int64
	// dropped are lines that nothing tells of yet.
	dropped atomic.Uint64

	mu     sync.Mutex
	opener caddy.WriterOpener
	// settings are the opener's, in JSON.
	settings string
	changed  bool
	logger   *zap.Logger

	stop  chan struct{}
	ended chan struct{}
	// draining is closed when a successor writes to the same place.
	draining <-chan struct{}

	// The rest is the goroutine's.
	writer io.WriteCloser
	// torn tells that the last line that was written has no end.
	torn bool
	told time.Time
}

func newSink(draining <-chan struct{}) *sink {
	s := &sink{
		lines: make(chan *buffer.Buffer, maxQueued), stop: make(chan struct{}), ended: make(chan struct{}), draining: draining,
	}
	go s.run()
	return s
}

// use has lines be written by the opener's writer from now on.
func (s *sink) use(opener caddy.WriterOpener, settings string, logger *zap.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logger = logger
	if s.opener == nil || s.settings != settings {
		s.opener, s.settings, s.changed = opener, settings, true
	}
}

// put has a line written, and never waits.
func (s *sink) put(line *buffer.Buffer) {
	size := int64(line.Len())
	if s.queued.Add(size) <= maxQueuedBytes {
		select {
		case s.lines <- line:
			return
		default:
		}
	}
	s.queued.Add(-size)
	line.Free()
	s.drop(1)
}

func (s *sink) drop(lines uint64) {
	s.dropped.Add(lines)
	dropped.Add(float64(lines))
}

func (s *sink) run() {
	defer close(s.ended)
	defer s.close()
	batch := make([]byte, 0, 2*batchBytes)
	draining := s.draining
	for {
		select {
		case line := <-s.lines:
			batch = s.write(batch, line)
		case <-draining:
			// The successor rotates the file from now on. What was closed appends what is still to come, line by line, to
			// the file that has the name then.
			s.close()
			draining = nil
		case <-s.stop:
			for len(s.lines) > 0 {
				batch = s.write(batch, <-s.lines)
			}
			return
		}
	}
}

// write writes a line, and what else waits.
func (s *sink) write(batch []byte, line *buffer.Buffer) []byte {
	batch, lines := batch[:0], uint64(0)
	if s.torn {
		batch = append(batch, '\n')
	}
	if n := s.dropped.Swap(0); n > 0 {
		batch = append(batch, droppedLine(n)...)
		s.tell(n, nil)
	}
	for {
		batch = append(batch, line.Bytes()...)
		s.queued.Add(-int64(line.Len()))
		line.Free()
		lines++
		if len(batch) >= batchBytes || len(s.lines) == 0 {
			break
		}
		line = <-s.lines
	}
	writer, err := s.open()
	if err == nil {
		var n int
		n, err = writer.Write(batch)
		s.torn = err != nil && (n > 0 || s.torn)
	}
	if err != nil {
		s.drop(lines)
		s.tell(lines, err)
		return batch
	}
	written.Add(float64(lines))
	return batch
}

// open is the writer of the newest settings, opened with the first line.
func (s *sink) open() (io.WriteCloser, error) {
	s.mu.Lock()
	opener, changed := s.opener, s.changed
	s.changed = false
	s.mu.Unlock()
	if s.writer != nil && !changed {
		return s.writer, nil
	}
	s.close()
	opened, err := opener.OpenWriter()
	if err != nil {
		s.writer = nil
		return nil, err
	}
	s.writer = opened
	return opened, nil
}

// close keeps the writer: a file that was closed takes lines all the same.
func (s *sink) close() {
	if s.writer != nil {
		_ = s.writer.Close()
	}
}

// tell warns of lines that are missing, once a second at the most.
func (s *sink) tell(lines uint64, err error) {
	if time.Since(s.told) < toldEvery {
		return
	}
	s.told = time.Now()
	s.mu.Lock()
	logger := s.logger
	s.mu.Unlock()
	logger.Warn("the access log lacks lines", zap.Uint64("lines", lines), zap.Error(err))
}

func droppedLine(lines uint64) []byte {
	text, err := encoder.EncodeEntry(zapcore.Entry{Time: time.Now().UTC(), Message: "dropped"}, []zapcore.Field{zap.Uint64("lines", lines)})
	if err != nil {
		return nil
	}
	defer text.Free()
	return append([]byte(nil), text.Bytes()...)
}

// Destruct writes what waits (caddy.Destructor).
func (s *sink) Destruct() error {
	close(s.stop)
	select {
	case <-s.ended:
	case <-time.After(endTime):
	}
	return nil
}
