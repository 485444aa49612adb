package targets

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gatewright.dev/caddy/balance"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/table"
)

// Why there is no address.
var (
	errNoTargets = errors.New("the row has no targets")
	errRefused   = errors.New("the guard refused every address")
	ErrDrained   = errors.New("every target is drained")
	ErrUnhealthy = errors.New("every address fails its health check")
	ErrUnchecked = errors.New("no address has passed its first health check yet")
	ErrEjected   = errors.New("every address has failed of late")
	ErrPaused    = errors.New("the target is paused")
	ErrForbidden = errors.New("the address must not be dialled")
	ErrNoWeight  = errors.New("the target has the weight 0")
	// ErrTooManyWait is of a row for which as many requests wait as may.
	ErrTooManyWait = errors.New("too many requests wait for a target")
)

// Search says whose addresses are wanted, and which are not.
type Search struct {
	Row *table.Row
	// Host is the canonical host, for captures.
	Host     string
	Resolver *resolver.Resolver
	Guard    *resolver.Guard
	Asker    resolver.Asker
	// Health leaves out addresses that fail their checks. With Checked, the row is known to have some: before anything was
	// told, its addresses are unknown.
	Health, Checked bool
	// Passive leaves out those that have failed of late, as Pool remembers; nil leaves them in.
	Passive *Passive
	Pool    *Pool
	// Tried are left out too.
	Tried []string
	// Again has the DNS asked first, since the addresses known are held for wrong.
	Again bool

	// Note, where there is one, is called for each address that is left out, and for each target without one (dial is "").
	Note func(target int, name, dial string, why error)

	target int
	now    time.Time
	modes  *modes
	health *health
	// unknown takes addresses that were not checked yet, too.
	unknown bool
}

// Candidate is an address that takes requests and connections.
type Candidate struct {
	// Dial is ip:port.
	Dial  string
	group int32
}

// Refusal is an address that the guard refused.
type Refusal struct{ Target, Dial, Reason string }

// Field is what a search finds: the addresses, those of a target next to each other, the targets that have some, and why
// others were left out. It is not to be copied.
type Field struct {
	List    []Candidate
	groups  []balance.Group
	origins []Origin // by group

	// Refused are the addresses that the guard refused.
	Refused []Refusal
	// Pause and Wake are how long a request may wait for a paused target, and for those in Sleeping.
	Pause, Wake time.Duration
	Sleeping    []string
	// Back is when the first address that has failed of late is no longer left out; zero when there is none.
	Back time.Time
	// Unchecked is until when the first check of an address that was left out may be waited for; zero when there is none.
	Unchecked time.Time
	// Tried tells that an address was left out for having been tried, Failing that one was only for having failed of late.
	Tried, Failing bool
	err            error

	// Room for the lists of most rows, so that these cost no allocation of their own.
	room struct {
		list    [4]Candidate
		groups  [3]balance.Group
		origins [3]Origin
	}
}

// Err says why there is no address, in words for the log.
func (f *Field) Err() error {
	switch {
	case f.err != nil:
		return f.err
	case len(f.Refused) > 0:
		last := &f.Refused[len(f.Refused)-1]
		return fmt.Errorf("%w: %s: %s", errRefused, last.Dial, last.Reason)
	case f.Tried:
		return resolver.ErrNoAnswer
	}
	return errNoTargets
}

// OnlyRefused tells that nothing but the guard was in the way.
func (f *Field) OnlyRefused() bool { return f.err == nil && len(f.Refused) > 0 }

// Find looks for the addresses of all targets of a row.
func (f *Field) Find(ctx context.Context, s *Search) {
	s.now, s.modes = time.Now(), states.modes.Load()
	if s.Health {
		s.health = healthOf(s.Row.ID(), s.Checked)
	}
	f.find(ctx, s)
	if len(f.List) == 0 && !f.Unchecked.IsZero() && !f.Unchecked.After(s.now) {
		// The first checks have had their time: better an unknown address than none.
		s.unknown = true
		f.find(ctx, s)
	}
}

func (f *Field) find(ctx context.Context, s *Search) {
	*f = Field{}
	f.List, f.groups, f.origins = f.room.list[:0], f.room.groups[:0], f.room.origins[:0]
	for i := range s.Row.Targets() {
		s.target = i
		weight := 1
		if special := s.Row.Special(i); special != nil {
			if weight = special.Weight; weight == 0 {
				s.leaveOut(nil, "", ErrNoWeight)
				continue
			}
			if why := f.admits(special.Mode, special.Pause); why != nil {
				s.leaveOut(nil, "", why)
				continue
			}
		}
		from := len(f.List)
		origin := s.origin(i)
		f.add(ctx, s, &origin)
		if to := len(f.List); to > from {
			f.groups = append(f.groups, balance.Group{From: from, To: to, Target: i, Weight: weight})
			f.origins = append(f.origins, origin)
		}
	}
}

// FindOne looks for the addresses of one target, whose search has only a guard.
func (f *Field) FindOne(ctx context.Context, guard *resolver.Guard, origin Origin) {
	f.add(ctx, &Search{Guard: guard}, &origin)
}

// add adds the addresses of a target.
func (f *Field) add(ctx context.Context, s *Search, from *Origin) {
	var members map[netip.Addr]*instanceMode
	switch {
	case s.modes == nil:
	case from.instance:
		if told := s.modes.instances[from.name]; told != nil {
			if why := f.admits(told.mode, told.pause); why != nil {
				s.leaveOut(from, "", why)
				return
			}
		}
	case from.special.Service != "":
		members = s.modes.services[from.special.Service]
	}
	addrs, dials, err := from.Lookup(ctx, s.Asker, s.Again)
	if err != nil {
		f.err = err
		s.leaveOut(from, "", err)
		if from.special != nil && from.special.Wake > 0 && errors.Is(err, resolver.ErrNoAddress) && !errors.Is(err, resolver.ErrNoName) {
			f.Wake = max(f.Wake, from.special.Wake)
			f.Sleeping = append(f.Sleeping, from.name)
		}
		return
	}
	f.List = slices.Grow(f.List, len(dials))
	for i, dial := range dials {
		if told := members[addrs[i]]; told != nil {
			if why := f.admits(told.mode, told.pause); why != nil {
				s.leaveOut(from, dial, why)
				continue
			}
		}
		if f.takes(s, from, dial, addrs[i]) {
			f.List = append(f.List, Candidate{dial, int32(len(f.groups))})
		}
	}
}

// takes tells whether nothing speaks against an address, and takes note of what does.
func (f *Field) takes(s *Search, from *Origin, dial string, addr netip.Addr) bool {
	if why := s.Guard.Refuses(addr, from.port); why != "" {
		f.Refused = append(f.Refused, Refusal{from.name, dial, why})
		s.leaveOut(from, dial, fmt.Errorf("%w: %s", ErrForbidden, why))
		return false
	}
	if s.health.isUnhealthy(dial) {
		f.err = ErrUnhealthy
		s.leaveOut(from, dial, f.err)
		return false
	}
	if !s.unknown && from.checked && s.health.isUnknown(dial) {
		f.err, f.Unchecked = ErrUnchecked, s.health.until
		s.leaveOut(from, dial, f.err)
		return false
	}
	tried := slices.Contains(s.Tried, dial)
	f.Tried = f.Tried || tried
	if s.Passive != nil {
		if until := s.Pool.failing(dial, s.Passive, s.now); !until.IsZero() {
			f.Failing = f.Failing || !tried
			if f.err == nil {
				f.err = ErrEjected
			}
			if f.Back.IsZero() || until.Before(f.Back) {
				f.Back = until
			}
			s.leaveOut(from, dial, ErrEjected)
			return false
		}
	}
	return !tried
}

// leaveOut takes note of what keeps an address, or a target, from taking a request.
func (s *Search) leaveOut(from *Origin, dial string, why error) {
	if s.Note == nil {
		return
	}
	name := ""
	if from != nil {
		name = from.name
	} else {
		name, _ = s.Row.Target(s.target, s.Host)
	}
	s.Note(s.target, name, dial, why)
}

// admits tells why a target of this mode takes no requests, and takes note of it; nil when it takes them.
func (f *Field) admits(mode table.Mode, pause time.Duration) error {
	switch mode {
	case table.Drain:
		if f.err == nil {
			f.err = ErrDrained
		}
		return ErrDrained
	case table.Pause:
		f.err = ErrPaused
		f.Pause = max(f.Pause, pause)
		return ErrPaused
	}
	return nil
}

// Awake tells that the targets found need not be woken.
func (f *Field) Awake() {
	for i := range f.origins {
		wakes.awake(f.origins[i].name)
	}
}
