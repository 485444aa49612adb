package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	textOpcode   = 0x81
	closeOpcode  = 0x88
	maskBit      = 0x80
	maxShortSize = 125
)

var (
	errCloseFrame = errors.New("close frame")
	errFrame      = errors.New("unexpected frame")
)

// textFrame makes a frame of at most 125 bytes (RFC 6455 section 5.2). The mask of a client is all zeros, which
// leaves the message as it is.
func textFrame(message []byte, masked bool) []byte {
	if masked {
		return append([]byte{textOpcode, maskBit | byte(len(message)), 0, 0, 0, 0}, message...)
	}
	return append([]byte{textOpcode, byte(len(message))}, message...)
}

func readFrame(reader *bufio.Reader) ([]byte, error) {
	var header [2]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return nil, err
	}
	if header[0] == closeOpcode {
		return nil, errCloseFrame
	}
	size := int(header[1] &^ maskBit)
	if header[0] != textOpcode || size > maxShortSize {
		return nil, errFrame
	}
	if header[1]&maskBit != 0 {
		size += 4
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(reader, payload); err != nil {
		return nil, err
	}
	if header[1]&maskBit == 0 {
		return payload, nil
	}
	message := payload[4:]
	for i := range message {
		message[i] ^= payload[i%4]
	}
	return message, nil
}

// runWebSockets holds WebSockets open and has a message echoed over each now and then, until the standard input ends.
// A socket that ends before that, or an echo that stays away, is a failure.
func runWebSockets(args []string) error {
	flags := flag.NewFlagSet("websocket", flag.ExitOnError)
	target := flags.String("target", "", "host:port that is asked")
	count := flags.Int("sockets", 100, "WebSockets")
	pattern := flags.String("hosts", "h%d.bench.test", "hostname; %d becomes a number below -host-count")
	hostCount := flags.Int("host-count", 1, "number of hosts")
	secure := flags.Bool("secure", false, "over TLS")
	interval := flags.Duration("interval", 200*time.Millisecond, "between two messages of a socket")
	_ = flags.Parse(args)

	hosts := newNames(*pattern, *hostCount)
	end := inputEnd()
	var opened, done sync.WaitGroup
	tallies := make([]*tally, *count)
	begin := time.Now()
	for i := range tallies {
		t := newTally()
		tallies[i] = t
		opened.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			host := string(hosts.append(nil, i%hosts.count))
			conn := &connection{target: *target}
			if *secure {
				conn.name = host
			}
			defer conn.close()
			err := upgrade(conn, host)
			opened.Done()
			for err == nil {
				select {
				case <-end:
					return
				case <-time.After(*interval):
					err = echo(conn, t)
				}
			}
			t.fail(kindOf(err))
		}()
	}
	opened.Wait()
	if err := printReady(); err != nil {
		return err
	}
	done.Wait()
	return print(reportOf(tallies, time.Since(begin)))
}

func upgrade(c *connection, host string) error {
	if err := c.open(); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", host)
	if err != nil {
		return err
	}
	response, err := readHead(c.reader)
	if err == nil && response.status != 101 {
		err = fmt.Errorf("status %d", response.status)
	}
	return err
}

func echo(c *connection, t *tally) error {
	message := []byte("are you still there?")
	start := time.Now()
	if err := c.conn.SetDeadline(start.Add(exchangeTimeout)); err != nil {
		return err
	}
	if _, err := c.conn.Write(textFrame(message, true)); err != nil {
		return err
	}
	answer, err := readFrame(c.reader)
	if err != nil {
		return err
	}
	if !bytes.Equal(answer, message) {
		return errFrame
	}
	t.latencies.record(time.Since(start))
	return nil
}
