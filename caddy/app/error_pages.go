package app

import (
	"fmt"
	"regexp"
	"strconv"
)

// ErrorPages are pages that are sent instead of the dispatcher's own, by status (`502`) or class (`5xx`). They are
// HTML when they begin with `<`, else plain text, and always literal. Clients that prefer JSON get JSON.
type ErrorPages map[string]string

var pageKey = regexp.MustCompile(`^[45](\d\d|xx)$`)

func (p ErrorPages) validate() error {
	for key := range p {
		if !pageKey.MatchString(key) {
			return fmt.Errorf("error_pages: %q is neither a status from 400 to 599 nor 4xx or 5xx", key)
		}
	}
	return nil
}

// Find is the page for a status: that of the status itself, then that of its class.
func (p ErrorPages) Find(status int) (page string, ok bool) {
	if len(p) == 0 {
		return "", false
	}
	if page, ok = p[strconv.Itoa(status)]; !ok {
		page, ok = p[strconv.Itoa(status/100)+"xx"]
	}
	return page, ok
}
