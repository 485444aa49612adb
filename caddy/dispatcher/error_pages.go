package dispatcher

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
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

// find is the page for a status: that of the status itself, then that of its class.
func (p ErrorPages) find(status int) (page string, ok bool) {
	if len(p) == 0 {
		return "", false
	}
	if page, ok = p[strconv.Itoa(status)]; !ok {
		page, ok = p[strconv.Itoa(status/100)+"xx"]
	}
	return page, ok
}

// pageFor is the page of the row's policy set, then that of the app.
func (h *Handler) pageFor(policy string, status int) (page string, ok bool) {
	if _, set := h.policySet(policy); set != nil {
		if page, ok = set.ErrorPages.find(status); ok {
			return page, ok
		}
	}
	return h.app.ErrorPages.find(status)
}

// writePage sends a page of the user's.
func writePage(w http.ResponseWriter, status int, page string) {
	contentType := "text/plain; charset=utf-8"
	if strings.HasPrefix(strings.TrimSpace(page), "<") {
		contentType = "text/html; charset=utf-8"
	}
	writeBody(w, status, contentType, page)
}
