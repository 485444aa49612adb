package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// dnsTimeout is how long an answer is waited for before the question counts as lost.
const dnsTimeout = time.Second

// dnsLoad asks A questions over UDP, each socket with a window of questions in flight.
type dnsLoad struct {
	target string
	window int
	names  names
}

// runDNS asks a DNS server for the addresses of random names as fast as it answers. Only NOERROR with at least one
// answer is a success.
func runDNS(args []string) error {
	flags := flag.NewFlagSet("dns", flag.ExitOnError)
	target := flags.String("target", "", "host:port that is asked")
	sockets := flags.Int("sockets", 4, "UDP sockets")
	window := flags.Int("window", 16, "questions in flight on each socket")
	duration := flags.Duration("duration", time.Second, "how long")
	pattern := flags.String("names", "vm-%d.hypeman.internal", "name; %d becomes a number below -name-count")
	nameCount := flags.Int("name-count", 1, "number of names")
	seed := flags.Uint64("seed", 1, "of the random choice")
	_ = flags.Parse(args)

	if *window < 1 || *window&(*window-1) != 0 {
		return errors.New("-window is not a power of two, so that the ids of questions would not be its multiples")
	}
	load := &dnsLoad{*target, *window, newNames(*pattern, *nameCount)}
	choose := load.names.choosers(*seed, false)
	tallies := make([]*tally, *sockets)
	if err := printReady(); err != nil {
		return err
	}
	begin := time.Now()
	var workers sync.WaitGroup
	failed := make(chan error, *sockets)
	for i := range tallies {
		tallies[i] = newTally()
		workers.Add(1)
		go func() {
			defer workers.Done()
			if err := load.work(begin.Add(*duration), choose(i), tallies[i]); err != nil {
				failed <- err
			}
		}()
	}
	workers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return print(reportOf(tallies, time.Since(begin)))
	}
}

// dnsWindow is the questions in flight on one socket. The question at a place has an id made of the place and its
// round, so that a late answer is not taken for another question's.
type dnsWindow struct {
	conn     net.Conn
	names    names
	choose   chooser
	sent     []time.Time
	rounds   []uint16
	question []byte
}

func (w *dnsWindow) id(place int) uint16 {
	return w.rounds[place]*uint16(len(w.sent)) + uint16(place)
}

func (w *dnsWindow) ask(place int) error {
	w.rounds[place]++
	w.sent[place] = time.Now()
	w.question = appendQuestion(w.question[:0], w.id(place), w.names, w.choose())
	_, err := w.conn.Write(w.question)
	return err
}

// askLost asks again where no answer came in time.
func (w *dnsWindow) askLost(t *tally) error {
	for place, sent := range w.sent {
		if time.Since(sent) < dnsTimeout {
			continue
		}
		if !sent.IsZero() {
			t.fail("lost")
		}
		if err := w.ask(place); err != nil {
			return err
		}
	}
	return nil
}

// take counts an answer; false when it answers no question in flight.
func (w *dnsWindow) take(packet []byte, t *tally) (place int, ok bool) {
	if len(packet) < 12 {
		return 0, false
	}
	id := binary.BigEndian.Uint16(packet)
	place = int(id) % len(w.sent)
	if id != w.id(place) {
		return 0, false
	}
	rcode, answers := packet[3]&0xf, binary.BigEndian.Uint16(packet[6:])
	if rcode != 0 || answers == 0 {
		t.fail(fmt.Sprintf("rcode %d with %d answers", rcode, answers))
	} else {
		t.latencies.record(time.Since(w.sent[place]))
	}
	return place, true
}

// work keeps the window full: each answer is followed by the next question, on one goroutine.
func (l *dnsLoad) work(until time.Time, choose chooser, t *tally) error {
	conn, err := net.Dial("udp", l.target)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	window := &dnsWindow{conn: conn, names: l.names, choose: choose,
		sent: make([]time.Time, l.window), rounds: make([]uint16, l.window)}
	packet := make([]byte, 1500)
	var next time.Time
	for now := time.Now(); now.Before(until); now = time.Now() {
		if !now.Before(next) {
			if err := window.askLost(t); err != nil {
				return err
			}
			next = now.Add(dnsTimeout / 10)
			_ = conn.SetReadDeadline(next)
		}
		n, err := conn.Read(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return err
		}
		if place, ok := window.take(packet[:n], t); ok {
			err = window.ask(place)
		} else {
			t.fail("unexpected packet")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// appendQuestion appends an A question (RFC 1035 section 4) with recursion desired.
func appendQuestion(to []byte, id uint16, n names, number int) []byte {
	to = binary.BigEndian.AppendUint16(to, id)
	to = append(to, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	length := len(to)
	to = append(to, 0)
	start := len(to)
	to = n.append(to, number)
	for i := start; i < len(to); i++ {
		if to[i] == '.' {
			to[length] = byte(i - length - 1)
			length = i
		}
	}
	to[length] = byte(len(to) - length - 1)
	return append(to, 0, 0, 1, 0, 1)
}
