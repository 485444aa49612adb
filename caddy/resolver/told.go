package resolver

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// saveEvery is the shortest time between two writes of the told addresses.
	saveEvery = 10 * time.Second
	// heardEvery is how far the file's time may stay behind the manager's last word when nothing else has changed. It is
	// taken from the hour in which what the file says counts (lastKnownFor).
	heardEvery = 5 * time.Minute
)

// told are the addresses of all instances as the manager told them. They are for names that nobody has asked for when
// the DNS cannot be asked: else an instance would need the manager for its first request after each start.
type told struct {
	mu    sync.RWMutex
	names map[string][]netip.Addr
	// at is when the manager was heard last.
	at time.Time
	// whole tells that the manager has told all, and not a file.
	whole, changed bool
	file           string
	// tried is when the file was written last, or could not be.
	tried time.Time
	// savedAt is the time that the file tells.
	savedAt time.Time
}

// toldFile is what is kept of them.
type toldFile struct {
	At    time.Time               `json:"at"`
	Names map[string][]netip.Addr `json:"names"`
}

// Tell takes the addresses of instances and services. With reset they are all that there are so far, more may follow.
func (r *Resolver) Tell(names map[string][]netip.Addr, reset bool) {
	t := &r.told
	t.mu.Lock()
	defer t.mu.Unlock()
	if reset || t.names == nil {
		t.names = make(map[string][]netip.Addr, len(names))
	}
	t.at, t.whole, t.changed = r.now(), true, true
	for name, addrs := range names {
		t.set(strings.ToLower(name), addrs)
	}
}

// set changes a name. mu is held.
func (t *told) set(name string, addrs []netip.Addr) {
	if t.names == nil {
		return
	}
	t.changed = true
	if len(addrs) == 0 {
		delete(t.names, name)
	} else {
		t.names[name] = addrs
	}
}

// update takes the addresses of one name.
func (t *told) update(name string, addrs []netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = now
	t.set(name, addrs)
}

// heard takes note that the manager answers.
func (t *told) heard(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = now
}

// item is what is used of a name if the DNS does not answer; nil when there is nothing.
func (t *told) item(name string, ttl time.Duration) *Item {
	t.mu.RLock()
	defer t.mu.RUnlock()
	addrs := t.names[name]
	if len(addrs) == 0 {
		return nil
	}
	return &Item{addrs: addrs, ttl: ttl, verified: t.at, mustAsk: true}
}

// Keep reads the file of told addresses, unless the manager has told them by then, and writes it from now on.
// A file that is missing or cannot be read is none.
func (r *Resolver) Keep(file string) error {
	t := &r.told
	// Somebody may have copied it with a wider mode.
	_ = os.Chmod(file, 0o600)
	text, err := os.ReadFile(file)
	var kept toldFile
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file = file
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if !t.whole {
		t.names, t.at, t.savedAt = kept.Names, kept.At, kept.At
	}
	return nil
}

// save writes the file when something has changed, or the manager was heard. What could not be written is due again.
func (t *told) save(now time.Time) error {
	file, kept := t.due(now)
	if kept == nil {
		return nil
	}
	err := write(file, kept)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.changed = true
		return err
	}
	t.savedAt = kept.At
	return nil
}

// due is the file, and a copy of what is to be written now; nil for nothing. All names as text take a while, for which nobody else
// should have to wait.
func (t *told) due(now time.Time) (file string, kept *toldFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	heard := t.names != nil && t.at.Sub(t.savedAt) >= heardEvery
	if t.file == "" || !t.changed && !heard || now.Sub(t.tried) < saveEvery {
		return "", nil
	}
	t.changed, t.tried = false, now
	return t.file, &toldFile{At: t.at, Names: maps.Clone(t.names)}
}

// write replaces the file. It is on the disk before it has its name, so that a crash leaves the old one or the new one.
func write(name string, kept *toldFile) error {
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
