package targets

import "testing"

func TestStatesAreChecked(t *testing.T) {
	wrong := &States{
		Rules:     map[string]RuleState{"r/0": {Unhealthy: []string{"10.0.0.1"}}},
		Instances: map[string]InstanceState{"a": {Mode: "off"}, "b": {}, "c": {Mode: "drain", Addresses: []string{"x"}}, "d": {Mode: "pause", PauseMS: -1}},
	}
	if got := len(wrong.Problems()); got != 5 {
		t.Errorf("%d problems: %v", got, wrong.Problems())
	}
}

func TestNothingIsLeftOfWhatHasEnded(t *testing.T) {
	(&States{
		Rules:     map[string]RuleState{"r/0": {Unhealthy: []string{"10.0.0.1:80"}}},
		Instances: map[string]InstanceState{"a": {Mode: "drain"}},
	}).Apply()
	if AllActive() || len(unhealthyOf("r/0")) != 1 {
		t.Error("nothing was noted")
	}
	(&States{Rules: map[string]RuleState{"r/0": {}}, Instances: map[string]InstanceState{"a": {Mode: "active"}}}).Apply()
	if states.modes.Load() != nil || states.unhealthy.Load() != nil {
		t.Error("something is left")
	}
}
