package metrics

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// What is packed is a list of unsigned varints, and of texts by their lengths. Nothing but this process reads it.

// unpacker reads what was packed; of nothing, zeros.
type unpacker []byte

func (u *unpacker) uint() uint64 {
	n, length := binary.Uvarint(*u)
	*u = (*u)[length:]
	return n
}

func (u *unpacker) text() string {
	length := u.uint()
	text := string((*u)[:length])
	*u = (*u)[length:]
	return text
}

func packText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func (c *counts) pack(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.requests)))
	for _, t := range c.requests {
		b = binary.AppendUvarint(binary.AppendUvarint(b, t.key.number()), t.count)
	}
	b = packWords(b, c.errors)
	b = packWords(b, c.refusals)
	b = packWords(b, c.ejections)
	b = packWords(b, c.handshakes)
	b = c.duration.pack(b)
	b = c.firstByte.pack(b)
	b = c.decision.pack(b)
	b = binary.AppendUvarint(b, c.received)
	b = binary.AppendUvarint(b, c.sent)
	return binary.AppendUvarint(b, c.retries)
}

func (c *counts) unpack(u *unpacker) {
	c.requests = c.requests[:0]
	for range u.uint() {
		c.requests = append(c.requests, tallied[answered]{answeredOf(u.uint()), u.uint()})
	}
	unpackWords(u, &c.errors)
	unpackWords(u, &c.refusals)
	unpackWords(u, &c.ejections)
	unpackWords(u, &c.handshakes)
	c.duration.unpack(u)
	c.firstByte.unpack(u)
	if which := u.uint(); which == 0 {
		c.decision = nil
	} else {
		c.decision = &durations{}
		c.decision.fill(u, which)
	}
	c.received, c.sent, c.retries = u.uint(), u.uint(), u.uint()
}

// number is what is answered as a number.
func (a answered) number() uint64 {
	number := uint64(a.status)<<9 | uint64(a.protocol)<<1
	if a.unsafe {
		number |= 1
	}
	return number
}

func answeredOf(number uint64) answered {
	return answered{status: uint16(number >> 9), protocol: uint8(number >> 1), unsafe: number&1 != 0}
}

func packWords[K ~string](b []byte, t tally[K]) []byte {
	b = binary.AppendUvarint(b, uint64(len(t)))
	for _, of := range t {
		b = binary.AppendUvarint(packText(b, string(of.key)), of.count)
	}
	return b
}

func unpackWords[K ~string](u *unpacker, t *tally[K]) {
	*t = (*t)[:0]
	for range u.uint() {
		*t = append(*t, tallied[K]{K(u.text()), u.uint()})
	}
}

// pack tells which bounds have counts, and those.
func (d *durations) pack(b []byte) []byte {
	if d == nil {
		return append(b, 0)
	}
	var which uint64
	for i, n := range d.counts {
		if n != 0 {
			which |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, which)
	if which == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(d.sum))
	for _, n := range d.counts {
		if n != 0 {
			b = binary.AppendUvarint(b, n)
		}
	}
	return b
}

func (d *durations) unpack(u *unpacker) {
	*d = durations{}
	if which := u.uint(); which != 0 {
		d.fill(u, which)
	}
}

func (d *durations) fill(u *unpacker, which uint64) {
	d.sum = time.Duration(u.uint())
	for ; which != 0; which &= which - 1 {
		d.counts[bits.TrailingZeros64(which)] = u.uint()
	}
}

// pack tells the names of targets once, and the slots by how long before the newest they began.
func (r *ring) pack(b []byte) []byte {
	if len(r.recent) == 0 {
		return b
	}
	names := r.names[:0]
	for _, slots := range [][]slot{r.old, r.recent} {
		for i := range slots {
			for t := range slots[i].targets {
				names, _ = nameOf(names, &slots[i].targets[t])
			}
		}
	}
	r.names = names
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = packText(packText(b, name.target), name.address)
	}
	newest := r.last()
	b = binary.AppendUvarint(b, uint64(newest))
	for _, slots := range [][]slot{r.old, r.recent} {
		b = binary.AppendUvarint(b, uint64(len(slots)))
		for i := range slots {
			b = slots[i].pack(b, newest, names)
		}
	}
	return b
}

func (r *ring) unpack(u *unpacker) {
	r.old, r.recent = r.old[:0], r.recent[:0]
	if len(*u) == 0 {
		return
	}
	r.names = r.names[:0]
	for range u.uint() {
		r.names = append(r.names, targetName{u.text(), u.text()})
	}
	newest := int64(u.uint())
	for _, slots := range []*[]slot{&r.old, &r.recent} {
		for range u.uint() {
			*slots = lengthened(*slots)
			(*slots)[len(*slots)-1].unpack(u, newest, r.names)
		}
	}
}

// lengthened has one element more, which may be one of before with what it has room for.
func lengthened[T any](list []T) []T {
	if len(list) < cap(list) {
		return list[:len(list)+1]
	}
	var zero T
	return append(list, zero)
}

// targetName is by what targets are told apart.
type targetName struct{ target, address string }

func nameOf(names []targetName, t *targetSlot) ([]targetName, int) {
	for at := range names {
		if names[at].address == t.address && names[at].target == t.target {
			return names, at
		}
	}
	return append(names, targetName{t.target, t.address}), len(names)
}

func (s *slot) pack(b []byte, newest int64, names []targetName) []byte {
	for _, n := range []uint64{uint64(newest - s.start), uint64(s.requests), s.received, s.sent, uint64(len(s.statuses))} {
		b = binary.AppendUvarint(b, n)
	}
	for _, of := range s.statuses {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(of.key)), of.count)
	}
	b = s.took.pack(b)
	b = binary.AppendUvarint(b, uint64(len(s.targets)))
	for i := range s.targets {
		t := &s.targets[i]
		_, at := nameOf(names, t)
		b = binary.AppendUvarint(b, uint64(at))
		b = binary.AppendUvarint(b, uint64(t.requests))
		b = binary.AppendUvarint(b, uint64(t.failures))
		b = t.took.pack(b)
	}
	return b
}

func (s *slot) unpack(u *unpacker, newest int64, names []targetName) {
	s.start = newest - int64(u.uint())
	s.requests, s.received, s.sent = uint32(u.uint()), u.uint(), u.uint()
	s.statuses = s.statuses[:0]
	for range u.uint() {
		s.statuses = append(s.statuses, tallied[uint16]{uint16(u.uint()), u.uint()})
	}
	s.took.unpack(u)
	s.targets = s.targets[:0]
	for range u.uint() {
		s.targets = lengthened(s.targets)
		t := &s.targets[len(s.targets)-1]
		name := names[u.uint()]
		t.target, t.address = name.target, name.address
		t.requests, t.failures = uint32(u.uint()), uint32(u.uint())
		t.took.unpack(u)
	}
}

func (s spread) pack(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	for _, of := range s {
		b = binary.AppendUvarint(append(b, of.at), uint64(of.n))
	}
	return b
}

func (s *spread) unpack(u *unpacker) {
	*s = (*s)[:0]
	for range u.uint() {
		at := (*u)[0]
		*u = (*u)[1:]
		*s = append(*s, step{at, uint32(u.uint())})
	}
}
