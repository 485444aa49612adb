package table

import (
	"slices"
	"strconv"
	"strings"
)

// Hidden takes the place of values that may be secrets.
const Hidden = "[redacted]"

// Select returns the rows that an ingress (by id) and a host, with `*` for captures, choose, by id; "" chooses all.
func (t *Table) Select(ingress, host string) []*Row {
	t.write.Lock()
	rows := make([]*Row, 0, len(t.byID))
	for id, row := range t.byID {
		if (ingress == "" || strings.HasPrefix(id, ingress+"/")) && (host == "" || row.host == host) {
			rows = append(rows, row)
		}
	}
	t.write.Unlock()
	slices.SortFunc(rows, func(a, b *Row) int { return strings.Compare(a.id, b.id) })
	return rows
}

// View is the row as it travels, but for what may be a secret, and for files: hosts have `*` for captures, and targets the
// number of the label for one, as `{0}`.
func (r *Row) View() RowJSON {
	view := RowJSON{
		ID: r.id, Ingress: r.ingress, Port: int(r.port), Host: r.host, Methods: r.cond.methods, TLS: r.tls, Policy: r.policy,
	}
	if r.layer4 != nil && r.layer4.Protocol != "tls" {
		view.Host = ""
	}
	if r.cond.exact {
		view.Path = &Path{"exact", r.cond.path}
	} else if r.cond.path != "" {
		view.Path = &Path{"prefix", r.cond.path}
	}
	for _, header := range r.cond.headers {
		if view.Headers == nil {
			view.Headers = make(map[string]string)
		}
		view.Headers[header.name] = Hidden
	}
	for _, addr := range r.cond.listen {
		view.Listen = append(view.Listen, addr.String())
	}
	if r.auth != nil {
		view.Auth = &Auth{r.auth.header, Hidden}
	}
	if r.redirect != 0 {
		view.Redirect = &Redirect{int(r.redirect)}
	}
	if d := r.demands; !d.None() {
		view.TLSOptions = &TLSOptions{Certificate: d.Certificate(), MinVersion: d.MinVersion()}
		if d.ClientMode() != "" {
			view.TLSOptions.ClientAuth = &ClientAuth{d.ClientMode(), d.ClientCAs()}
		}
	}
	if r.name != (nameHandle{}) {
		name := r.name.Value()
		view.ManagedName = &name
	}
	view.Layer4 = r.layer4.view()
	for i := range r.targets {
		view.Targets = append(view.Targets, r.targets[i].view())
	}
	return view
}

func (s *Layer4) view() *Layer4 {
	if s == nil {
		return nil
	}
	view := &Layer4{
		Protocol: s.Protocol, Terminate: s.Terminate, Policy: s.Policy, ConnectTimeoutMS: s.ConnectTimeoutMS, IdleTimeoutMS: s.IdleTimeoutMS,
		MaxConnections: s.MaxConnections, Health: s.Health, MaxFails: s.MaxFails, FailDurationMS: s.FailDurationMS, ProxyProtocol: s.ProxyProtocol,
		Allow: s.Allow, Deny: s.Deny,
	}
	if s.TLS != nil {
		view.TLS = &Layer4TLS{ServerName: s.TLS.ServerName, CAPEM: s.TLS.CAPEM, Insecure: s.TLS.Insecure}
	}
	return view
}

func (t *target) view() Target {
	view := Target{Instance: t.instance, Port: int(t.port)}
	if t.captures != nil {
		view.Instance = t.captures.text()
	}
	special := t.special
	if special == nil {
		return view
	}
	if special.Service != "" || special.Address != "" {
		view.Instance = ""
	}
	view.Service, view.Address, view.Weight = special.Service, special.Address, &special.Weight
	if special.Resolvers != "" {
		view.Resolvers = strings.Split(special.Resolvers, ",")
	}
	view.Mode = special.Mode.String()
	view.PauseMS, view.WakeMS = special.Pause.Milliseconds(), special.Wake.Milliseconds()
	return view
}

// String is "drain", "pause", or "" for an active target.
func (m Mode) String() string {
	switch m {
	case Drain:
		return "drain"
	case Pause:
		return "pause"
	}
	return ""
}

func (t *template) text() string {
	var out strings.Builder
	for i, label := range t.labels {
		out.WriteString(t.texts[i] + "{" + strconv.Itoa(label) + "}")
	}
	out.WriteString(t.texts[len(t.texts)-1])
	return out.String()
}
