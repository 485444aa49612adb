package layer4

import (
	"fmt"
	"net"
	"testing"
	"time"

	"gatewright.dev/caddy/internal/crowd"
)

// D9: two clients that say nothing do not close a port for a third one.
func TestAFloodByTwoClientsKeepsNobodyOut(t *testing.T) {
	const most = 32
	before := crowd.Replace(crowd.New(most))
	t.Cleanup(func() { crowd.Replace(before) })
	w := newWorld(t)
	w.wrapper["tls"], w.wrapper["shared"] = map[string]any{}, true
	w.wrapper["hello_timeout"] = "60s"
	w.load()
	w.rows(w.row("plain", "plain.test", false), w.row("secure", "secure.test", true))
	for i := range 2 * most {
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%2))}
		conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", w.address())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); crowd.Silent().Taken() < most/2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections wait", crowd.Silent().Taken())
		}
	}
	for i := range 10 {
		path := fmt.Sprint("/", i)
		if got, err := w.ask("plain.test", path); err != nil || got != "plain.test"+path {
			t.Errorf("a third client: %q, %v", got, err)
		}
	}
}
