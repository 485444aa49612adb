// Package dnstest is a small DNS server on loopback for tests: real packets over UDP and TCP.
package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Record is what the server answers for a name.
type Record struct {
	Addresses []string
	TTL       time.Duration
	// Delay holds this name's answers back, and no other's.
	Delay time.Duration
	// Hold holds this name's answers back until it is closed.
	Hold <-chan struct{}
	// Drop answers nothing to this many questions.
	Drop int
	// RCode other than success is answered without records.
	RCode dnsmessage.RCode
	// Truncate answers over UDP with the TC bit alone.
	Truncate bool
}

// Server answers A and AAAA questions from a map that tests change meanwhile.
type Server struct {
	Address string

	mu      sync.Mutex
	records map[string]Record
	asked   map[string]int
	udp     net.PacketConn
	tcp     net.Listener
}

// Start serves on an ephemeral port of loopback until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartAt(t, "127.0.0.1:0")
}

// StartAt is Start on an address.
func StartAt(t testing.TB, address string) *Server {
	t.Helper()
	s := &Server{records: make(map[string]Record), asked: make(map[string]int)}
	for range 20 {
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if s.udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			s.tcp = tcp
			break
		}
		tcp.Close()
	}
	if s.tcp == nil {
		t.Fatal("no port is free for both UDP and TCP")
	}
	s.Address = s.tcp.Addr().String()
	go s.serveUDP()
	go s.serveTCP()
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the server: questions get no answer from then on.
func (s *Server) Stop() {
	s.udp.Close()
	s.tcp.Close()
}

// Set changes what is answered for a name, given in full and without its final dot.
func (s *Server) Set(name string, record Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[name] = record
}

// Remove makes a name unknown.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, name)
}

// Asked is how many questions for a name have come.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *Server) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		packet := append([]byte(nil), buf[:n]...)
		go func() {
			if reply := s.answer(packet, true); reply != nil {
				_, _ = s.udp.WriteTo(reply, from)
			}
		}()
	}
}

func (s *Server) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err != nil {
				return
			}
			packet := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(conn, packet); err != nil {
				return
			}
			if reply := s.answer(packet, false); reply != nil {
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}
		}()
	}
}

func (s *Server) answer(packet []byte, datagram bool) []byte {
	var message dnsmessage.Message
	if message.Unpack(packet) != nil || len(message.Questions) != 1 {
		return nil
	}
	q := message.Questions[0]
	name := strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")
	s.mu.Lock()
	s.asked[name]++
	record, known := s.records[name]
	drop := record.Drop > 0
	if drop {
		record.Drop--
		s.records[name] = record
	}
	s.mu.Unlock()
	if drop {
		return nil
	}
	time.Sleep(record.Delay)
	if record.Hold != nil {
		<-record.Hold
	}
	message.Response, message.Authoritative = true, true
	switch {
	case !known:
		message.RCode = dnsmessage.RCodeNameError
	case record.RCode != dnsmessage.RCodeSuccess:
		message.RCode = record.RCode
	case record.Truncate && datagram:
		message.Truncated = true
	default:
		message.Answers = answers(q, record)
	}
	reply, err := message.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func answers(q dnsmessage.Question, record Record) (list []dnsmessage.Resource) {
	for _, text := range record.Addresses {
		addr := netip.MustParseAddr(text)
		header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: uint32(record.TTL / time.Second)}
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			list = append(list, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			list = append(list, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return list
}
