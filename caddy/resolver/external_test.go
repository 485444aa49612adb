package resolver

import (
	"fmt"
	"testing"
	"time"
)

func TestIdleExternalResolversAreDropped(t *testing.T) {
	kept := External("192.0.2.1:53")
	kept.entry("used.example.com")
	for i := range 10 * manyExternals {
		externals.mu.Lock()
		externals.swept = time.Time{}
		externals.mu.Unlock()
		External(fmt.Sprintf("192.0.2.2:%d", i+1))
	}
	externals.mu.Lock()
	count := len(externals.resolvers)
	externals.mu.Unlock()
	if count > manyExternals+1 {
		t.Errorf("%d resolvers are kept", count)
	}
	if External("192.0.2.1:53") != kept {
		t.Error("a resolver that knows names was dropped")
	}
}
