package resolver

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// records are an answer to a question for the addresses of web.test.
func records(kind dnsmessage.Type, edit func(*dnsmessage.Message), bodies ...dnsmessage.ResourceBody) (*question, []byte) {
	name := dnsmessage.MustNewName("web.test.")
	q := &question{Question: dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Questions: []dnsmessage.Question{q.Question}}
	for i, body := range bodies {
		// The second is the one that lives shortest.
		head := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: []uint32{30, 20, 40}[i%3]}
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: body})
	}
	if edit != nil {
		edit(&m)
	}
	packet, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return q, packet
}

func TestWhatAnswersSay(t *testing.T) {
	a := func(last byte) dnsmessage.ResourceBody { return &dnsmessage.AResource{A: [4]byte{10, 0, 0, last}} }
	six := &dnsmessage.AAAAResource{AAAA: [16]byte{0xfd, 15: 1}}
	mapped := &dnsmessage.AAAAResource{AAAA: [16]byte{10: 0xff, 0xff, 10, 0, 0, 9}}
	alias := &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("other.test.")}
	code := func(code dnsmessage.RCode) func(*dnsmessage.Message) {
		return func(m *dnsmessage.Message) { m.RCode = code }
	}
	const four, sixes = dnsmessage.TypeA, dnsmessage.TypeAAAA
	for name, c := range map[string]struct {
		kind   dnsmessage.Type
		edit   func(*dnsmessage.Message)
		bodies []dnsmessage.ResourceBody
		addrs  string
		ttl    time.Duration
		exists bool
		failed bool
	}{
		"addresses, for the shortest time": {four, nil, []dnsmessage.ResourceBody{a(1), a(2), a(3)}, "[10.0.0.1 10.0.0.2 10.0.0.3]", 20 * time.Second, true, false},
		"behind an alias":                  {four, nil, []dnsmessage.ResourceBody{alias, a(1)}, "[10.0.0.1]", 20 * time.Second, true, false},
		"of IPv6":                          {sixes, nil, []dnsmessage.ResourceBody{six}, "[fd00::1]", 30 * time.Second, true, false},
		"of IPv4, written as IPv6":         {sixes, nil, []dnsmessage.ResourceBody{mapped}, "[10.0.0.9]", 30 * time.Second, true, false},
		"not asked for":                    {four, nil, []dnsmessage.ResourceBody{six}, "[]", 0, true, false},
		"not asked for, of IPv4":           {sixes, nil, []dnsmessage.ResourceBody{a(1), six}, "[fd00::1]", 20 * time.Second, true, false},
		"none":                             {four, nil, nil, "[]", 0, true, false},
		"no name":                          {four, code(dnsmessage.RCodeNameError), []dnsmessage.ResourceBody{a(1)}, "[]", 0, false, false},
		"a failure":                        {four, code(dnsmessage.RCodeServerFailure), []dnsmessage.ResourceBody{a(1)}, "[]", 0, false, true},
		"refused":                          {four, code(dnsmessage.RCodeRefused), nil, "[]", 0, false, true},
	} {
		q, packet := records(c.kind, c.edit, c.bodies...)
		found, truncated, err := parse(packet, q)
		if fmt.Sprint(found.addrs) != c.addrs || found.ttl != c.ttl || found.exists != c.exists || (err != nil) != c.failed || truncated {
			t.Errorf("%s: %+v, truncated %v, %v", name, found, truncated, err)
		}
	}
	q, packet := records(four, func(m *dnsmessage.Message) { m.Truncated = true }, a(1))
	if found, truncated, err := parse(packet, q); !truncated || len(found.addrs) != 0 || err != nil {
		t.Errorf("cut off: %+v, %v, %v", found, truncated, err)
	}
	// Whatever is cut off of a packet, nothing of it counts.
	_, packet = records(four, nil, a(1), alias, a(2))
	for n := range packet {
		if found, _, err := parse(packet[:n], q); err == nil || len(found.addrs) != 0 || found.exists {
			t.Errorf("%d of %d bytes: %+v, %v", n, len(packet), found, err)
		}
	}
}
