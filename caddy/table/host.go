package table

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxLabels bounds the labels of a pattern: their wildcard positions are the bits of one word.
const maxLabels = 64

// maxHost is longer than any host name (RFC 1035 section 2.3.4), with room for an IPv6 literal with its zone.
const maxHost = 255

// CanonicalHost is the host of a Host header as the table compares it: lowercase, without port, final dot and
// the brackets of an IPv6 literal. It allocates only when the header is not canonical already.
func CanonicalHost(host string) string {
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return ""
		}
		if addr, err := netip.ParseAddr(host[1:end]); err == nil {
			return addr.String()
		}
		return ""
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		if strings.IndexByte(host, ':') != colon {
			if addr, err := netip.ParseAddr(host); err == nil {
				return addr.String()
			}
			return ""
		}
		host = host[:colon]
	}
	return canonicalName(host)
}

// parsePattern checks a row's host and returns it with `*` for captures, and the captures' label indexes.
func parsePattern(host string) (string, map[string]int, error) {
	switch {
	case host == "":
		return "", nil, errors.New("is empty")
	case host == "*":
		return host, nil, nil
	case strings.HasPrefix(host, "[") || strings.Count(host, ":") > 1:
		canonical := CanonicalHost(host)
		if canonical == "" || strings.Contains(host, "]:") {
			return "", nil, errors.New("is not an IPv6 address")
		}
		return canonical, nil, nil
	case len(host) > maxHost:
		return "", nil, fmt.Errorf("is longer than %d bytes", maxHost)
	}
	labels := strings.Split(host, ".")
	var captures map[string]int
	for i, label := range labels {
		name, err := parseLabel(label)
		if err != nil {
			return "", nil, err
		}
		if name == "" {
			continue
		}
		labels[i] = "*"
		if name == "*" {
			continue
		}
		if _, twice := captures[name]; twice {
			return "", nil, fmt.Errorf("captures %q twice", name)
		}
		if captures == nil {
			captures = make(map[string]int)
		}
		captures[name] = i
	}
	canonical := strings.Join(labels, ".")
	if strings.Contains(canonical, "*") && len(labels) > maxLabels {
		return "", nil, fmt.Errorf("has more than %d labels", maxLabels)
	}
	if canonical == "*" {
		return "", nil, errors.New("is one capture alone")
	}
	return canonical, captures, nil
}

// parseLabel returns "" for a literal label, "*" for a wildcard, and else the capture's name.
func parseLabel(label string) (string, error) {
	switch {
	case label == "*":
		return label, nil
	case strings.HasPrefix(label, "{") && strings.HasSuffix(label, "}") && len(label) > 2:
		name := label[1 : len(label)-1]
		if strings.ContainsAny(name, "{}*") {
			return "", fmt.Errorf("label %q is no capture", label)
		}
		return name, nil
	case !literalLabel(label):
		return "", fmt.Errorf("label %q is not lowercase letters, digits, hyphens and underscores", label)
	}
	return "", nil
}

// literalLabel tells whether a label can stand in a name that DNS is asked for.
// A wildcard takes no other label, so that no byte of a Host header reaches a question unchecked.
func literalLabel(label string) bool {
	if label == "" || len(label) > 63 {
		return false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// shapeOf returns the labels of a pattern and the set of its wildcard positions, the leftmost being bit 0.
func shapeOf(pattern string) (labels int, mask uint64) {
	for label := range strings.SplitSeq(pattern, ".") {
		if label == "*" {
			mask |= 1 << labels
		}
		labels++
	}
	return labels, mask
}

// appendShape appends host with `*` at the positions of mask. It fails when a label there is none that a wildcard takes.
func appendShape(buf []byte, host string, mask uint64) ([]byte, bool) {
	for i := 0; ; i++ {
		label, rest, more := strings.Cut(host, ".")
		if mask&(1<<i) != 0 {
			if !literalLabel(label) {
				return buf, false
			}
			buf = append(buf, '*')
		} else {
			buf = append(buf, label...)
		}
		if !more {
			return buf, true
		}
		buf = append(buf, '.')
		host = rest
	}
}

// template is an instance name with captures: texts[0] label[0] texts[1] label[1] … texts[n].
type template struct {
	texts  []string
	labels []int
}

// parseTemplate returns nil when there is no capture in text.
func parseTemplate(text string, captures map[string]int) (*template, error) {
	tmpl := &template{}
	for {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		end := strings.IndexByte(text[open:], '}')
		if end < 0 {
			return nil, errors.New("has a { without }")
		}
		name := text[open+1 : open+end]
		label, known := captures[name]
		if !known {
			return nil, fmt.Errorf("captures %q, which the host does not have", name)
		}
		tmpl.texts = append(tmpl.texts, strings.ToLower(text[:open]))
		tmpl.labels = append(tmpl.labels, label)
		text = text[open+end+1:]
	}
	if strings.ContainsAny(text, "}*") {
		return nil, errors.New("has a } or * that belongs to no capture")
	}
	if len(tmpl.labels) == 0 {
		return nil, nil
	}
	tmpl.texts = append(tmpl.texts, strings.ToLower(text))
	return tmpl, nil
}

func (t *template) expand(host string) string {
	var out strings.Builder
	out.Grow(64)
	for i, label := range t.labels {
		out.WriteString(t.texts[i])
		out.WriteString(labelAt(host, label))
	}
	out.WriteString(t.texts[len(t.texts)-1])
	return out.String()
}

func labelAt(host string, index int) string {
	for ; index > 0; index-- {
		_, host, _ = strings.Cut(host, ".")
	}
	label, _, _ := strings.Cut(host, ".")
	return label
}
