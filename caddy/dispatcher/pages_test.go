package dispatcher

import (
	"testing"
)

func TestPreferred(t *testing.T) {
	for accept, want := range map[string]format{
		"": formatPlain, "*/*": formatPlain, "text/plain": formatPlain, "text/html": formatHTML, "TEXT/HTML; charset=utf-8": formatHTML,
		"application/json": formatJSON, "application/vnd.api+json": formatJSON, "application/json, text/html": formatJSON,
		"text/html;q=0.1, application/json;q=0.2": formatJSON, "application/json;q=0": formatPlain, "text/html;q=x, application/json;q=0.1": formatJSON,
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8": formatHTML, "image/*": formatPlain, ",,;": formatPlain,
		", application/json": formatJSON,
	} {
		if got := preferred([]string{accept}); got != want {
			t.Errorf("%q: got %d, want %d", accept, got, want)
		}
	}
}
