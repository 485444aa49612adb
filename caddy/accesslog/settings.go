package accesslog

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/logging" // its file writer

	"gatewright.dev/caddy/handover"
)

// Settings say what is logged, and where.
type Settings struct {
	// Log is what is logged where a policy set or a row of layer 4 says nothing else. Default: "off".
	Log Mode `json:"log,omitempty"`

	// Sample is the share of what went well that is logged, from 0 to 1; what did not is always. Default: 1.
	Sample *float64 `json:"sample,omitempty"`

	// Client is how much of clients' addresses is told. Default: "full".
	Client Client `json:"client,omitempty"`

	// Query has lines tell the query of requests, in which applications may have secrets. Default: they do not.
	Query bool `json:"query,omitempty"`

	// WriterRaw is where lines go: a writer of Caddy's logs. Default: a file that is rotated at 100 MiB, with nine older
	// ones, for 30 days.
	WriterRaw json.RawMessage `json:"writer,omitempty" caddy:"namespace=caddy.logging.writers inline_key=output"`
}

// defaultWriter is Settings.WriterRaw's default for a file.
func defaultWriter(file string) json.RawMessage {
	text, _ := json.Marshal(map[string]any{
		"output": "file", "filename": file, "mode": "0600",
		"roll_size_mb": 100, "roll_keep": 9, "roll_keep_days": 30, "roll_gzip": false,
	})
	return text
}

// Log is the access log of a configuration.
type Log struct {
	settings Settings
	share    float64
	sink     *sink
	key      string
}

// sinks are those of this process, by where they write.
var sinks = caddy.NewUsagePool()

// sampled counts what samples leave out, whatever the configuration.
var sampled sampler

// Open sets a log up that writes to file, unless the settings name another place. No file is made before there is a line.
func Open(ctx caddy.Context, settings Settings, file string) (*Log, error) {
	if err := errors.Join(settings.Log.Validate(), settings.Client.Validate()); err != nil {
		return nil, err
	}
	l := &Log{settings: settings, share: 1}
	if settings.Sample != nil {
		l.share = *settings.Sample
	}
	if l.share < 0 || l.share > 1 {
		return nil, fmt.Errorf("sample: %v is not between 0 and 1", l.share)
	}
	if l.settings.WriterRaw == nil {
		l.settings.WriterRaw = defaultWriter(file)
	}
	loaded, err := ctx.LoadModule(&l.settings, "WriterRaw")
	if err != nil {
		return nil, fmt.Errorf("writer: %w", err)
	}
	opener := loaded.(caddy.WriterOpener)
	shared, _, err := sinks.LoadOrNew(opener.WriterKey(), func() (caddy.Destructor, error) { return newSink(handover.Draining()), nil })
	if err != nil {
		return nil, err
	}
	l.sink, l.key = shared.(*sink), opener.WriterKey()
	l.sink.use(opener, string(l.settings.WriterRaw), ctx.Logger())
	return l, nil
}

// Close gives the log's place back; the last one writes what waits.
func (l *Log) Close() error {
	_, err := sinks.Delete(l.key)
	return err
}

// Logs tells whether there may be lines of what no rule says anything else of.
func (l *Log) Logs() bool { return l.settings.Log == Errors || l.settings.Log == All }

// Client is how much of clients' addresses is told.
func (l *Log) Client() Client { return l.settings.Client }

// wants tells whether a line is to be written, and how many like it were not. own is the rule's own choice.
func (l *Log) wants(own Mode, rule string, failed bool) (suppressed uint64, ok bool) {
	mode := l.settings.Log
	if own != "" {
		mode = own
	}
	switch {
	case mode == Off || mode == "":
		return 0, false
	case failed:
		return 0, true
	case mode == Errors:
		return 0, false
	case l.share == 1:
		return 0, true
	}
	return sampled.allow(rule, l.share)
}
