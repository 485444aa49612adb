package accesslog

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// encoder makes the lines: zap's, as that of Caddy's logs.
var encoder = zapcore.NewJSONEncoder(zapcore.EncoderConfig{
	TimeKey: "time", MessageKey: "kind", LineEnding: "\n",
	EncodeTime: zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
})

// Bounds of what clients may write into a line, in bytes.
const (
	maxPath   = 1024
	maxHost   = 256
	maxText   = 256
	maxReason = 512
)

// line collects what a line says. Empty texts and times that nobody took are left out.
type line struct{ fields []zap.Field }

func (l *line) text(key, value string, most int) {
	if value == "" {
		return
	}
	if len(value) > most {
		value = value[:most] + "…"
	}
	l.fields = append(l.fields, zap.String(key, value))
}

func (l *line) number(key string, value int64) { l.fields = append(l.fields, zap.Int64(key, value)) }

func (l *line) count(key string, value uint64) {
	if value > 0 {
		l.fields = append(l.fields, zap.Uint64(key, value))
	}
}

// milliseconds tells a time with three decimals: that is how exact it is.
func (l *line) milliseconds(key string, value time.Duration) {
	if value > 0 {
		l.fields = append(l.fields, zap.Float64(key, float64(value.Microseconds())/1000))
	}
}

// write has a line written.
func (l *Log) write(kind string, fields []zap.Field) {
	text, err := encoder.EncodeEntry(zapcore.Entry{Time: time.Now().UTC(), Message: kind}, fields)
	if err != nil {
		dropped.Inc()
		return
	}
	l.sink.put(text)
}
