package targets

import (
	"testing"
	"time"
)

func TestStatesAreChecked(t *testing.T) {
	wrong := &States{
		Rules:     map[string]RuleState{"r/0": {Unhealthy: []string{"10.0.0.1"}}, "r/1": {WaitMS: -1}},
		Instances: map[string]InstanceState{"a": {Mode: "off"}, "b": {}, "c": {Mode: "drain", Addresses: []string{"x"}}, "d": {Mode: "pause", PauseMS: -1}},
	}
	if got := len(wrong.Problems()); got != 6 {
		t.Errorf("%d problems: %v", got, wrong.Problems())
	}
}

func TestNothingIsLeftOfWhatHasEnded(t *testing.T) {
	(&States{
		Rules:     map[string]RuleState{"r/0": {Unhealthy: []string{"10.0.0.1:80"}}},
		Instances: map[string]InstanceState{"a": {Mode: "drain"}},
	}).Apply()
	if AllActive() || !healthOf("r/0", false).isUnhealthy("10.0.0.1:80") {
		t.Error("nothing was noted")
	}
	(&States{Rules: map[string]RuleState{"r/0": {}}, Instances: map[string]InstanceState{"a": {Mode: "active"}}}).Apply()
	if states.modes.Load() != nil || states.health.Load() != nil {
		t.Error("something is left")
	}
}

// forget makes the process one that was told nothing yet.
func forget(t *testing.T) {
	t.Helper()
	before := untold
	untold = &health{healthy: map[string]struct{}{}, until: time.Now().Add(time.Minute)}
	states.health.Store(nil)
	states.told.Store(false)
	t.Cleanup(func() {
		untold = before
		(&States{Reset: true}).Apply()
	})
}

// C8: a Caddy that was told nothing before, as after a reboot, knows of no address whether it is healthy.
func TestAddressesOfANewCaddyAreUnknownUntilTheyWereChecked(t *testing.T) {
	forget(t)
	tell := func(reset bool, state RuleState) {
		(&States{Reset: reset, Rules: map[string]RuleState{"r/0": state}}).Apply()
	}
	expect := func(when, one, two string) {
		t.Helper()
		for dial, want := range map[string]string{"10.0.0.1:80": one, "10.0.0.2:80": two} {
			got, known := "healthy", healthOf("r/0", true)
			if known.isUnhealthy(dial) {
				got = "unhealthy"
			} else if known.isUnknown(dial) {
				got = "unknown"
			}
			if got != want {
				t.Errorf("%s: %s is %s, want %s", when, dial, got, want)
			}
		}
	}
	expect("untold", "unknown", "unknown")
	if healthOf("r/0", false) != nil {
		t.Error("a row that may have no checks is unknown")
	}
	tell(true, RuleState{Healthy: []string{}, WaitMS: 60_000})
	expect("at first", "unknown", "unknown")
	until := healthOf("r/0", true).until
	tell(false, RuleState{Healthy: []string{"10.0.0.2:80"}, WaitMS: 120_000})
	expect("one is checked", "unknown", "healthy")
	if healthOf("r/0", true).until != until {
		t.Error("waiting begins again")
	}
	tell(false, RuleState{Healthy: []string{"10.0.0.2:80"}, Unhealthy: []string{"10.0.0.1:80"}})
	expect("both are", "unhealthy", "healthy")
	tell(true, RuleState{Healthy: []string{}})
	expect("after a restart of Gatewright", "unhealthy", "healthy")
	tell(false, RuleState{})
	expect("all is well", "healthy", "healthy")
	// A new rule is served at once.
	(&States{Rules: map[string]RuleState{"r/1": {Healthy: []string{}, WaitMS: 60_000}}}).Apply()
	if healthOf("r/1", true) != nil {
		t.Error("a rule that came later is unknown")
	}
}
