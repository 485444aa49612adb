package metrics

import (
	"os"
	"testing"
)

func TestTheProcessTellsItsMemoryAndDescriptors(t *testing.T) {
	value := func(name string) float64 {
		t.Helper()
		families, err := Gather(Most{})
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.Name == name {
				return family.Samples[0].Value
			}
		}
		t.Fatalf("there is no %s", name)
		return 0
	}
	const open = "gatewright_caddy_process_open_fds"
	before := value(open)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if now := value(open); now != before+1 {
		t.Errorf("%v descriptors, and with one more %v", before, now)
	}
	if most := value("gatewright_caddy_process_max_fds"); most <= before {
		t.Errorf("%v descriptors at most", most)
	}
	for _, name := range []string{
		"gatewright_caddy_process_resident_memory_bytes", "gatewright_caddy_process_start_time_seconds", "gatewright_caddy_go_goroutines",
	} {
		if value(name) <= 0 {
			t.Errorf("%s is 0", name)
		}
	}
}
