package accesslog

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestClients(t *testing.T) {
	for _, c := range []struct{ addr, full, masked string }{
		{"203.0.113.77", "203.0.113.77", "203.0.113.0"},
		{"::ffff:203.0.113.77", "203.0.113.77", "203.0.113.0"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"},
		{"fe80::1%eth0", "fe80::1", "fe80::"},
		{"127.0.0.1", "127.0.0.1", "127.0.0.0"},
		{"no address", "", ""},
		{"", "", ""},
	} {
		for client, want := range map[Client]string{Full: c.full, "": c.full, Masked: c.masked, None: ""} {
			if got := client.ShowText(c.addr); got != want {
				t.Errorf("%s of %q: %q, want %q", client, c.addr, got, want)
			}
			if addr, err := netip.ParseAddr(c.addr); err == nil && client.Show(addr) != want {
				t.Errorf("%s of %v: %q, want %q", client, addr, client.Show(addr), want)
			}
		}
	}
}

func TestWhatIsLogged(t *testing.T) {
	for _, c := range []struct {
		app, own Mode
		good     bool
		bad      bool
	}{
		{"", "", false, false},
		{Off, "", false, false},
		{Errors, "", false, true},
		{All, "", true, true},
		{All, Off, false, false},
		{Off, All, true, true},
		{Off, Errors, false, true},
		{All, Errors, false, true},
	} {
		l := &Log{settings: Settings{Log: c.app}, share: 1}
		if _, ok := l.wants(c.own, "rule", false); ok != c.good {
			t.Errorf("%q %q: what went well: %v", c.app, c.own, ok)
		}
		if _, ok := l.wants(c.own, "rule", true); ok != c.bad {
			t.Errorf("%q %q: what failed: %v", c.app, c.own, ok)
		}
	}
}

// Lines that are written and those that they tell of are all there are, but for the last ones that are left out.
func TestSamples(t *testing.T) {
	const requests = 20_000
	for _, share := range []float64{0, 0.1, 0.7, 1} {
		// What others have left out is the process's, and rules may share a slot.
		for at := range sampled.skipped {
			sampled.skipped[at].Store(0)
		}
		l := &Log{settings: Settings{Log: All}, share: share}
		rule := t.Name() + "/" + strings.Repeat("i", int(share*10))
		lines, told := 0, uint64(0)
		for range requests {
			if suppressed, ok := l.wants("", rule, false); ok {
				lines++
				told += suppressed
			}
			if _, ok := l.wants("", rule, true); !ok {
				t.Fatal("a failed request is left out")
			}
		}
		if got := float64(lines) / requests; got < share-0.03 || got > share+0.03 {
			t.Errorf("%v: %v of all", share, got)
		}
		if share > 0 && (told+uint64(lines) > requests || told+uint64(lines) < requests-500) {
			t.Errorf("%v: %d lines tell of %d", share, lines, told)
		}
	}
}

func TestSettingsThatCannotBeMeant(t *testing.T) {
	above := 1.5
	for want, settings := range map[string]Settings{
		`"some" is neither`:     {Log: "some"},
		`"half" is neither`:     {Client: "half"},
		"not between 0 and 1":   {Sample: &above},
		"unknown module: caddy": {WriterRaw: []byte(`{"output":"paper"}`)},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		if _, err := Open(ctx, settings, "/nowhere"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		cancel()
	}
}

func TestSamplesOfNothingAndOfAll(t *testing.T) {
	for _, share := range []float64{0, 1} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		l, err := Open(ctx, Settings{Sample: &share}, t.TempDir()+"/access.log")
		if err != nil {
			t.Fatalf("%v: %v", share, err)
		}
		if l.share != share {
			t.Errorf("%v is sampled, not %v", l.share, share)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	}
}
