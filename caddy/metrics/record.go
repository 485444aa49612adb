package metrics

import (
	"slices"
	"sync"
	"time"
)

// record is what is counted of an ingress.
//
// Most ingresses of a large table have few requests, and a record of slices and histograms takes more memory than the row
// itself. So a record is packed into bytes while there is less than a request a second: each request then unpacks it, counts
// and packs it again, which takes less time than a busy record would lose to the garbage collector by being there.
type record struct {
	counts counts
	ring   ring
	// bytes is room for packing.
	bytes []byte
}

// busyRequests are those of a slot from which on a record is kept as it is.
const busyRequests = 10

// scratch are records for what is packed.
var scratch = sync.Pool{New: func() any { return new(record) }}

// open returns the record, and must be followed by keep, or by leave when nothing was counted. mu is held.
func (i *Ingress) open() *record {
	if i.busy != nil {
		return i.busy
	}
	r := scratch.Get().(*record)
	r.unpack(i.packed)
	return r
}

// leave gives back a record that was only read.
func (i *Ingress) leave(r *record) {
	if r != i.busy {
		scratch.Put(r)
	}
}

// keep stores what was counted.
func (i *Ingress) keep(r *record) {
	switch {
	case r == i.busy:
	case r.ring.busySince(r.ring.last()):
		i.busy, i.packed = r, packed{}
		resting.add(i)
	default:
		i.pack(r)
		// Whoever takes it next has another lock.
		defer scratch.Put(r)
	}
	i.account(r)
}

// rest packs a record that is not busy any more, and tells whether it is packed.
func (i *Ingress) rest(now int64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.busy == nil {
		return true
	}
	// The last whole slot counts too: the newest may have begun just now.
	if i.busy.ring.busySince(now - 1) {
		return false
	}
	r := i.busy
	i.busy = nil
	i.pack(r)
	i.account(r)
	return true
}

// account keeps what all rings take.
func (i *Ingress) account(r *record) {
	size := int64(len(i.packed.bytes) - i.packed.ring)
	if r == i.busy {
		if r.ring.last() == i.last {
			return
		}
		size = r.ring.size()
	}
	i.last = r.ring.last()
	if size != i.ringSize {
		ringBytes.Add(size - i.ringSize)
		i.ringSize = size
	}
}

// restings are the busy records, which are looked at each tick for whether they still are.
type restings struct {
	mu    sync.Mutex
	busy  []*Ingress
	timed bool
}

var resting restings

func (r *restings) add(i *Ingress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = append(r.busy, i)
	r.time()
}

func (r *restings) time() {
	if !r.timed && len(r.busy) > 0 {
		r.timed = true
		time.AfterFunc(tick, func() { r.pack(tickOf(time.Now())) })
	}
}

// pack packs the records that are not busy any more at a tick.
func (r *restings) pack(now int64) {
	r.mu.Lock()
	all := r.busy
	r.busy = nil
	r.mu.Unlock()
	all = slices.DeleteFunc(all, func(i *Ingress) bool { return i.rest(now) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = append(r.busy, all...)
	r.timed = false
	r.time()
}

// packed is a record as bytes: counts up to ring, and then the ring.
type packed struct {
	bytes []byte
	ring  int
}

// pack stores a record as bytes.
func (i *Ingress) pack(r *record) {
	b := r.counts.pack(r.bytes[:0])
	at := len(b)
	b = r.ring.pack(b)
	r.bytes = b
	// Room that is not needed is not kept.
	if kept := i.packed.bytes; cap(kept) >= len(b) && cap(kept) <= len(b)+len(b)/2 {
		i.packed = packed{append(kept[:0], b...), at}
	} else {
		i.packed = packed{append([]byte(nil), b...), at}
	}
}

// unpack makes a record what the bytes say, whatever it was.
func (r *record) unpack(p packed) {
	u := unpacker(p.bytes)
	r.counts.unpack(&u)
	r.ring.unpack(&u)
}
