package table

import "strings"

// CleanPath is the path of a request as the table compares it: without empty, `.` and `..` segments
// (RFC 3986 section 5.2.4). The final slash stays, and so does the case. It returns its argument, without
// allocating, when that is clean.
func CleanPath(path string) string {
	if path == "" || path[0] != '/' {
		// `OPTIONS *`, and an absolute URL without a path (RFC 9112 section 3.2).
		if path == "" || path == "*" {
			return "/"
		}
		path = "/" + path
	}
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	segments := make([]string, 0, 16)
	slash := false
	for segment := range strings.SplitSeq(path[1:], "/") {
		slash = false
		switch segment {
		case "", ".":
			slash = true
		case "..":
			slash = true
			segments = segments[:max(len(segments)-1, 0)]
		default:
			segments = append(segments, segment)
		}
	}
	if len(segments) == 0 {
		return "/"
	}
	clean := "/" + strings.Join(segments, "/")
	if slash {
		clean += "/"
	}
	return clean
}

// hasPrefix tells whether a clean path is prefix or below it; prefix has no final slash.
func hasPrefix(path, prefix string) bool {
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// firstSegments cuts a path behind its first n segments, and a final slash.
func firstSegments(path string, n int) string {
	if n == 0 {
		return ""
	}
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if n--; n == 0 {
			return path[:i]
		}
	}
	return strings.TrimSuffix(path, "/")
}
