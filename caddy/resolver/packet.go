package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// repeats tells whether a packet is a response to the question.
func repeats(packet []byte, q *question) bool {
	var parser dnsmessage.Parser
	head, err := parser.Start(packet)
	if err != nil || !head.Response {
		return false
	}
	asked, err := parser.Question()
	return err == nil && asked.Type == q.Type && asked.Class == q.Class &&
		strings.EqualFold(asked.Name.String(), q.Name.String())
}

func parse(packet []byte, q *question) (found answer, truncated bool, err error) {
	var parser dnsmessage.Parser
	head, err := parser.Start(packet)
	if err != nil {
		return answer{}, false, err
	}
	if head.Truncated {
		return answer{}, true, nil
	}
	switch head.RCode {
	case dnsmessage.RCodeNameError:
		return answer{}, false, nil
	case dnsmessage.RCodeSuccess:
		found.exists = true
	default:
		return answer{}, false, fmt.Errorf("the DNS server answered %s", head.RCode)
	}
	if err := parser.SkipAllQuestions(); err != nil {
		return answer{}, false, err
	}
	for {
		record, err := parser.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return found, false, nil
		}
		if err != nil {
			return answer{}, false, err
		}
		var addr netip.Addr
		switch {
		case record.Type == dnsmessage.TypeA && q.Type == record.Type:
			a, err := parser.AResource()
			if err != nil {
				return answer{}, false, err
			}
			addr = netip.AddrFrom4(a.A)
		case record.Type == dnsmessage.TypeAAAA && q.Type == record.Type:
			aaaa, err := parser.AAAAResource()
			if err != nil {
				return answer{}, false, err
			}
			addr = netip.AddrFrom16(aaaa.AAAA).Unmap()
		default:
			if err := parser.SkipAnswer(); err != nil {
				return answer{}, false, err
			}
			continue
		}
		ttl := time.Duration(record.TTL) * time.Second
		if len(found.addrs) == 0 || ttl < found.ttl {
			found.ttl = ttl
		}
		found.addrs = append(found.addrs, addr)
	}
}
