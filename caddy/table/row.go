package table

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/textproto"
	"sort"
	"strings"
	"unique"
)

// RowJSON is a row of the host table as it travels.
type RowJSON struct {
	// ID names the row; an upsert with the same ID replaces it.
	ID string `json:"id"`
	// Ingress is the name that error pages, logs and metrics show.
	Ingress string `json:"ingress"`
	// Port is the listen port.
	Port int `json:"port"`
	// Host is lowercase ASCII: a name, `{capture}` and `*` for whole labels, or `*` for every host.
	Host string `json:"host"`
	// Path limits the row to some paths; absent means all.
	Path *Path `json:"path,omitempty"`
	// Methods limits the row to some methods; absent means all.
	Methods []string `json:"methods,omitempty"`
	// Headers must all be there with exactly these values.
	Headers map[string]string `json:"headers,omitempty"`
	// TLS rows take only requests over TLS, others only plain ones.
	TLS bool `json:"tls,omitempty"`
	// Auth demands a header whose value has this SHA-256.
	Auth *Auth `json:"auth,omitempty"`
	// Redirect answers a redirect to https instead of running a policy set.
	Redirect *Redirect `json:"redirect,omitempty"`
	// Policy is the key of the policy set that takes the request.
	Policy string `json:"policy,omitempty"`
	// Targets are where the request may go.
	Targets []Target `json:"targets,omitempty"`
	// Listen limits the row to connections that came to one of these local addresses; absent means all.
	Listen []string `json:"listen,omitempty"`
	// TLSOptions are what the row demands of TLS.
	TLSOptions *TLSOptions `json:"tls_options,omitempty"`
	// ManagedName is the name that a certificate is got for while there is the row; absent means none: the certificate is
	// imported, or ordered on demand.
	ManagedName *ManagedName `json:"managed_name,omitempty"`
	// Layer4 makes the row one of layer 4. Host is then the name that clients ask for, or absent.
	Layer4 *Layer4 `json:"layer4,omitempty"`
}

// Path is a condition on the decoded and cleaned path of a request; case counts.
type Path struct {
	// Type is "exact" or "prefix"; a prefix ends on a segment border.
	Type string `json:"type"`
	// Value is an absolute path, decoded.
	Value string `json:"value"`
}

// Auth is a header that a request must carry.
type Auth struct {
	Header string `json:"header"`
	// SHA256 of the header's value, in lowercase hex.
	SHA256 string `json:"sha256"`
}

// Redirect is the https port that a request is sent to.
type Redirect struct {
	Port int `json:"port"`
}

// Row is a row of the table: a RowJSON that was checked and compiled. It is immutable.
type Row struct {
	id, ingress, policy string

	host     string // captures as `*`
	targets  []target
	cond     *conditions
	auth     *auth
	layer4   *Layer4 // nil for HTTP
	demands  Demands
	name     nameHandle
	port     uint16
	redirect uint16 // 0: none
	tls      bool
}

type auth struct {
	header string
	sum    [sha256.Size]byte
}

// ID is the row's id.
func (r *Row) ID() string { return r.id }

// Ingress is the name of the ingress that the row belongs to.
func (r *Row) Ingress() string { return r.ingress }

// Policy is the key of the row's policy set; empty for a redirect.
func (r *Row) Policy() string { return r.policy }

// RedirectPort is the https port to redirect to; 0 when the row does not redirect.
func (r *Row) RedirectPort() int { return int(r.redirect) }

// Auth is the header that requests must carry and the SHA-256 of its value; ok is false when there is none.
func (r *Row) Auth() (header string, sum *[sha256.Size]byte, ok bool) {
	if r.auth == nil {
		return "", nil, false
	}
	return r.auth.header, &r.auth.sum, true
}

// compile checks a row as it came and turns it into one of the table. Every problem is named, not only the first.
func compile(from *RowJSON) (*Row, []string) {
	var problems []string
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if from.ID == "" {
		problem("id is empty")
	}
	if from.Port < 1 || from.Port > 65535 {
		problem("port %d is not between 1 and 65535", from.Port)
	}
	host, captures, err := parseHost(from)
	if err != nil {
		problem("host %q: %v", from.Host, err)
	}
	row := &Row{
		id:      from.ID,
		ingress: from.Ingress,
		policy:  unique.Make(from.Policy).Value(),
		host:    host,
		port:    uint16(from.Port),
		tls:     from.TLS,
	}
	row.cond = compileConditions(from, problem)
	row.layer4 = compileLayer4(from, problem)
	row.demands = compileDemands(from, problem)
	row.name = compileName(from, problem)
	row.auth = compileAuth(from.Auth, problem)
	if from.Redirect != nil {
		if from.Redirect.Port < 1 || from.Redirect.Port > 65535 {
			problem("redirect.port %d is not between 1 and 65535", from.Redirect.Port)
		}
		if from.Policy != "" || len(from.Targets) > 0 {
			problem("a redirect has no policy and no targets")
		}
		row.redirect = uint16(from.Redirect.Port)
	} else if from.Policy == "" && from.Layer4 == nil {
		problem("policy is empty and there is no redirect")
	}
	row.targets = compileTargets(from.Targets, captures, problem)
	return row, problems
}

func compileAuth(a *Auth, problem func(string, ...any)) *auth {
	if a == nil {
		return nil
	}
	compiled := &auth{header: textproto.CanonicalMIMEHeaderKey(a.Header)}
	if a.Header == "" {
		problem("auth.header is empty")
	}
	if _, err := hex.Decode(compiled.sum[:], []byte(firstN(a.SHA256, 2*sha256.Size))); err != nil || len(a.SHA256) != 2*sha256.Size {
		problem("auth.sha256 is not 64 hexadecimal digits")
	}
	return compiled
}

func firstN(s string, n int) string { return s[:min(len(s), n)] }

// conditions are what a row demands beyond its host.
type conditions struct {
	path    string // cleaned; a prefix is without its final slash, "" means every path
	exact   bool
	methods []string
	headers []header // by name
	listen  []netip.Addr
}

type header struct{ name, value string }

// unconditional are the conditions of the rows that take every request of their host, which are most.
var unconditional = &conditions{}

func compileConditions(row *RowJSON, problem func(string, ...any)) *conditions {
	cond := &conditions{}
	if row.Path != nil {
		if !strings.HasPrefix(row.Path.Value, "/") {
			problem("path.value %q does not begin with /", row.Path.Value)
		}
		cond.path = CleanPath(row.Path.Value)
		switch row.Path.Type {
		case "exact":
			cond.exact = true
		case "prefix":
			cond.path = strings.TrimSuffix(cond.path, "/")
		default:
			problem(`path.type %q is neither "exact" nor "prefix"`, row.Path.Type)
		}
	}
	for i, method := range row.Methods {
		if method == "" {
			problem("methods[%d] is empty", i)
		}
		cond.methods = append(cond.methods, unique.Make(method).Value())
	}
	for name, value := range row.Headers {
		if name == "" {
			problem("a name in headers is empty")
		}
		cond.headers = append(cond.headers, header{unique.Make(textproto.CanonicalMIMEHeaderKey(name)).Value(), value})
	}
	sort.Slice(cond.headers, func(i, j int) bool { return cond.headers[i].name < cond.headers[j].name })
	for i := 1; i < len(cond.headers); i++ {
		if cond.headers[i].name == cond.headers[i-1].name {
			problem("headers names %q twice", cond.headers[i].name)
		}
	}
	cond.listen = compileListen(row.Listen, problem)
	if cond.path == "" && len(cond.methods) == 0 && len(cond.headers) == 0 && len(cond.listen) == 0 {
		return unconditional
	}
	return cond
}
