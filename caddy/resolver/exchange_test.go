package resolver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// An answer that comes while a resolver ends must not end the process.
func TestCloseWhileAnswersCome(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			buf[2] |= 0x80 // a response without records
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
	for range 300 {
		e := newExchanger(server.LocalAddr().String())
		var asking sync.WaitGroup
		for i := range 32 {
			asking.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				if _, err := e.lookup(ctx, fmt.Sprintf("web-%d.test.", i)); ctx.Err() != nil {
					t.Errorf("the question never ended: %v", err)
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		e.close()
		asking.Wait()
	}
}
