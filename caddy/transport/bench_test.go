package transport

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkRoundTrip compares with net/http, over kept connections to a server that costs as little as it can.
func BenchmarkRoundTrip(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				reader := bufio.NewReader(c)
				for {
					line, err := reader.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						io.WriteString(c, hello)
					}
				}
			}()
		}
	}()
	ours := &Transport{dialer: net.Dialer{}}
	for name, via := range map[string]http.RoundTripper{"gatewright": ours, "net/http": &http.Transport{MaxIdleConnsPerHost: maxIdle}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := via.RoundTrip(request("GET", listener.Addr().String(), nil))
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		})
	}
}
