package dispatcher

import "testing"

func TestTheAdminEndpointTellsMetrics(t *testing.T) {
	w := newWorld(t)
	w.load("c1")
	if status, answer := w.call("GET", "/gatewright/metrics?ingresses=3", nil); status != 200 || answer["families"] == nil {
		t.Errorf("%d %v", status, answer)
	}
	for _, wrong := range []string{"many", "-1"} {
		if status, answer := w.call("GET", "/gatewright/metrics?ingresses="+wrong, nil); status != 400 || answer["error"] == nil {
			t.Errorf("%s: %d %v", wrong, status, answer)
		}
	}
}
