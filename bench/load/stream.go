package main

import (
	"context"
	"encoding/binary"
	"flag"
	"io"
	"net"
	"sync"
	"time"
)

// What a client of a stream asks for, in the byte behind its hello.
const (
	askEcho = 'e'
	askBulk = 'b'
)

// streamTimeout bounds one connection's answer.
const streamTimeout = 5 * time.Second

// runStreamBackend takes connections that begin with a ClientHello, which it does not answer, and does what the byte
// behind it asks for, until the standard input ends: proxies that pass TLS on see no more of it.
func runStreamBackend(args []string) error {
	flags := flag.NewFlagSet("stream-backend", flag.ExitOnError)
	address := flags.String("listen", "", "ip:port")
	_ = flags.Parse(args)
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveStream(conn)
		}
	}()
	if err := printReady(); err != nil {
		return err
	}
	<-inputEnd()
	return nil
}

func serveStream(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var header [5]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return
	}
	hello := make([]byte, int(binary.BigEndian.Uint16(header[3:]))+1)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return
	}
	if hello[len(hello)-1] == askBulk {
		chunk := make([]byte, 256<<10)
		for {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// runStream loads a port that passes TLS on by name. Modes: "rate" makes connections, each with one answer; "echo"
// asks over kept connections; "bulk" reads as fast as it can, its requests being megabytes.
func runStream(args []string) error {
	flags := flag.NewFlagSet("stream", flag.ExitOnError)
	target := flags.String("target", "", "ip:port")
	name := flags.String("name", "bench.example.com", "server name")
	mode := flags.String("mode", "rate", "rate, echo or bulk")
	connections := flags.Int("connections", 16, "at once")
	duration := flags.Duration("duration", time.Second, "length of the run")
	_ = flags.Parse(args)
	ctx, cancel := context.WithTimeout(context.Background(), *duration)
	defer cancel()
	if err := printReady(); err != nil {
		return err
	}
	begin := time.Now()
	tallies := make([]*tally, *connections)
	var workers sync.WaitGroup
	for i := range tallies {
		tallies[i] = newTally()
		workers.Add(1)
		go func() {
			defer workers.Done()
			streamWork(ctx, *target, helloFor(*name), *mode, tallies[i])
		}()
	}
	workers.Wait()
	return print(reportOf(tallies, time.Since(begin)))
}

func streamWork(ctx context.Context, target string, hello []byte, mode string, t *tally) {
	for ctx.Err() == nil {
		began := time.Now()
		conn, err := net.DialTimeout("tcp", target, streamTimeout)
		if err != nil {
			t.fail(kindOf(err))
			continue
		}
		switch mode {
		case "rate":
			err = askOnce(conn, append(hello, askEcho, 'x'))
			if err == nil {
				t.latencies.record(time.Since(began))
			}
		case "echo":
			err = echoUntil(ctx, conn, append(hello, askEcho), t)
		case "bulk":
			err = readUntil(ctx, conn, append(hello, askBulk), t)
		}
		_ = conn.Close()
		if err != nil && ctx.Err() == nil {
			t.fail(kindOf(err))
		}
	}
}

func askOnce(conn net.Conn, message []byte) error {
	_ = conn.SetDeadline(time.Now().Add(streamTimeout))
	if _, err := conn.Write(message); err != nil {
		return err
	}
	var answer [1]byte
	_, err := io.ReadFull(conn, answer[:])
	return err
}

func echoUntil(ctx context.Context, conn net.Conn, hello []byte, t *tally) error {
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	for ctx.Err() == nil {
		began := time.Now()
		if err := askOnce(conn, []byte{'x'}); err != nil {
			return err
		}
		t.latencies.record(time.Since(began))
	}
	return nil
}

func readUntil(ctx context.Context, conn net.Conn, hello []byte, t *tally) error {
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for ctx.Err() == nil {
		began := time.Now()
		_ = conn.SetDeadline(began.Add(streamTimeout))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return err
		}
		t.latencies.record(time.Since(began))
	}
	return nil
}

// helloFor is a ClientHello with a server name and nothing else (RFC 8446 section 4.1.2, RFC 6066 section 3).
func helloFor(name string) []byte {
	vector := func(size int, body []byte) []byte {
		length := make([]byte, 4)
		binary.BigEndian.PutUint32(length, uint32(len(body)))
		return append(length[4-size:], body...)
	}
	entry := append([]byte{0}, vector(2, []byte(name))...)
	extension := append([]byte{0, 0}, vector(2, vector(2, entry))...)
	hello := append([]byte{3, 3}, make([]byte, 32)...)
	hello = append(hello, 0)
	hello = append(hello, vector(2, []byte{0x13, 0x01})...)
	hello = append(hello, 1, 0)
	hello = append(hello, vector(2, extension)...)
	handshake := append([]byte{1}, vector(3, hello)...)
	return append([]byte{22, 3, 1}, vector(2, handshake)...)
}
