package table

import (
	"strings"
	"testing"
	"time"
)

func targetProblems(targets ...Target) string {
	_, problems := compile(&RowJSON{ID: "r", Port: 80, Host: "{x}.test", Policy: "p", Targets: targets})
	return strings.Join(problems, "; ")
}

func TestTargetsAreChecked(t *testing.T) {
	wrong := -1
	for name, test := range map[string]struct {
		target Target
		want   string
	}{
		"nothing":             {Target{Port: 80}, "exactly one of instance, service and address"},
		"two kinds":           {Target{Instance: "a", Service: "b", Port: 80}, "exactly one of instance, service and address"},
		"port":                {Target{Service: "b"}, "port 0 is not between"},
		"weight":              {Target{Instance: "a", Port: 80, Weight: &wrong}, "weight -1"},
		"mode":                {Target{Instance: "a", Port: 80, Mode: "off"}, `mode "off"`},
		"time":                {Target{Instance: "a", Port: 80, PauseMS: -1}, "negative"},
		"wake of a service":   {Target{Service: "a", Port: 80, WakeMS: 1}, "only an instance can be woken"},
		"resolvers of an IP":  {Target{Address: "10.0.0.1", Port: 80, Resolvers: []string{"10.0.0.2:53"}}, "resolvers need a DNS name"},
		"resolver":            {Target{Address: "a.test", Port: 80, Resolvers: []string{"10.0.0.2"}}, "not an IP address and port"},
		"capture in no host":  {Target{Instance: "{y}", Port: 80}, `"{y}"`},
		"resolvers elsewhere": {Target{Instance: "a", Port: 80, Weight: new(int), Resolvers: []string{"10.0.0.2:53"}}, "resolvers need a DNS name"},
	} {
		if got := targetProblems(test.target); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWhatDistinguishesTargets(t *testing.T) {
	two := 2
	row, problems := compile(&RowJSON{ID: "r", Port: 80, Host: "{x}.test", Policy: "p", Targets: []Target{
		{Instance: "VM-{x}", Port: 80},
		{Service: "WEB", Port: 81, Weight: &two},
		{Address: "fd00::1", Port: 82, Mode: "drain"},
		{Instance: "a", Port: 83, Mode: "pause", PauseMS: 1500, WakeMS: 2000},
	}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if row.Plain() || row.Special(0) != nil {
		t.Error("an instance is special")
	}
	if name, _ := row.Target(0, "a.test"); name != "vm-a" {
		t.Error(name)
	}
	if name, port := row.Target(1, "a.test"); name != "web.svc" || port != 81 || row.Special(1).Weight != 2 || row.Special(1).Service != "web" {
		t.Error(name, port, row.Special(1))
	}
	if special := row.Special(2); special.Dials[0] != "[fd00::1]:82" || special.Mode != Drain {
		t.Error(special)
	}
	if special := row.Special(3); special.Mode != Pause || special.Pause != 1500*time.Millisecond || special.Wake != 2*time.Second {
		t.Error(special)
	}
}

func TestWhereTargetsAre(t *testing.T) {
	row, problems := compile(&RowJSON{ID: "r", Port: 80, Host: "{x}.test", Policy: "p", Targets: []Target{
		{Address: "::ffff:10.0.0.1", Port: 80}, {Address: "fe80::1%eth0", Port: 80},
		{Address: "a.test", Port: 80, Resolvers: []string{"10.0.0.2:53", "[fd00::1]:53"}}, {Instance: "{x}", Port: 80}, {Instance: "a", Port: 80},
	}})
	if len(problems) > 0 || row.Targets() != 5 || row.Plain() {
		t.Fatal(problems)
	}
	if got := row.Special(0); len(got.Addrs) != 1 || got.Addrs[0].String() != "10.0.0.1" || got.Dials[0] != "10.0.0.1:80" {
		t.Errorf("an address: %+v", got)
	}
	if got := row.Special(1); got.Addrs != nil {
		t.Errorf("an address with a zone: %+v", got)
	}
	if got := row.Special(2); got.Addrs != nil || got.Address != "a.test" || got.Resolvers != "10.0.0.2:53,[fd00::1]:53" {
		t.Errorf("a name: %+v", got)
	}
	if row.Captures(4) || !row.Captures(3) || row.Captures(0) {
		t.Error("which target is of the host is told wrongly")
	}
	for want, targets := range map[bool][]Target{true: {{Instance: "a", Port: 80}}, false: {{Service: "a", Port: 80}}} {
		if one, _ := compile(&RowJSON{ID: "r", Port: 80, Host: "a.test", Policy: "p", Targets: targets}); one.Plain() != want {
			t.Errorf("%+v is plain: %v", targets, !want)
		}
	}
}
