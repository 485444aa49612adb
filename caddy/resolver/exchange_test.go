package resolver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
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

// An answer counts only when it repeats the question (RFC 5452 section 9.1): an id alone has 16 bits.
func TestAnswersMustRepeatTheQuestion(t *testing.T) {
	other := dnsmessage.MustNewName("other.test.")
	forgeries := map[string]func(m *dnsmessage.Message){
		"another name":       func(m *dnsmessage.Message) { m.Questions[0].Name = other },
		"another type":       func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
		"another class":      func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
		"no question":        func(m *dnsmessage.Message) { m.Questions = nil },
		"a question, itself": func(m *dnsmessage.Message) { m.Response = false },
		"another id":         func(m *dnsmessage.Message) { m.ID++ },
	}
	for what, forge := range forgeries {
		t.Run(what, func(t *testing.T) {
			server, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			reply := func(packet []byte, from net.Addr, last byte, change func(*dnsmessage.Message)) {
				var m dnsmessage.Message
				if err := m.Unpack(packet); err != nil {
					t.Error(err)
					return
				}
				m.Response = true
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 5},
					Body:   &dnsmessage.AResource{A: [4]byte{10, 0, 0, last}},
				}}
				change(&m)
				packed, err := m.Pack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = server.WriteTo(packed, from)
			}
			go func() {
				buf := make([]byte, 512)
				for {
					n, from, err := server.ReadFrom(buf)
					if err != nil {
						return
					}
					reply(buf[:n], from, 66, forge)
					reply(buf[:n], from, 1, func(*dnsmessage.Message) {})
				}
			}()
			e := newExchanger(server.LocalAddr().String())
			defer e.close()
			found, err := e.ask(context.Background(), "Web.test.", dnsmessage.TypeA)
			if err != nil || len(found.addrs) != 1 || found.addrs[0].String() != "10.0.0.1" {
				t.Errorf("got %v, %v", found.addrs, err)
			}
		})
	}
}

// Over TCP too: an answer that does not fit a packet is asked for again there.
func TestAnswersOverTCPMustRepeatTheQuestion(t *testing.T) {
	for what, forge := range map[string]func(m *dnsmessage.Message){
		"another name": func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("other.test.") },
		"another id":   func(m *dnsmessage.Message) { m.ID++ },
		"the question": func(*dnsmessage.Message) {},
	} {
		t.Run(what, func(t *testing.T) {
			tcp, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer tcp.Close()
			go func() {
				conn, err := tcp.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				buf := make([]byte, 512)
				n, err := io.ReadAtLeast(conn, buf, 14)
				var m dnsmessage.Message
				if err != nil || m.Unpack(buf[2:n]) != nil {
					return
				}
				m.Response = true
				forge(&m)
				reply, _ := m.Pack()
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}()
			e := newExchanger(tcp.Addr().String())
			defer e.close()
			q := &question{Question: dnsmessage.Question{Name: dnsmessage.MustNewName("web.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
			message := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{q.Question}}
			if q.packet, err = message.Pack(); err != nil {
				t.Fatal(err)
			}
			if _, err := e.stream(context.Background(), q); (err == nil) != (what == "the question") {
				t.Errorf("got %v", err)
			}
		})
	}
}
