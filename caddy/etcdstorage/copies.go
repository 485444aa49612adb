package etcdstorage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// copies are files of what was read and written, sealed as in etcd. They are read while etcd is away.
//
// Each begins with the revision at which etcd had it, so that what was read before a write does not follow it.
type copies struct {
	folder string // "" for none
	mu     sync.Mutex
}

const revisionSize = 8

const (
	// copyAge is how long a copy is kept that nobody asks for: longer than a certificate lives.
	copyAge = 180 * 24 * time.Hour
	// touchInterval is how often it is noted that a copy is in use.
	touchInterval = 24 * time.Hour
)

func newCopies(folder string) *copies {
	c := &copies{folder: folder}
	if folder != "" {
		go c.prune(time.Now().Add(-copyAge))
	}
	return c
}

// worthwhile is false for what is nobody's after a moment.
func worthwhile(key string) bool {
	return !strings.HasPrefix(key, "rw_test_") && !strings.Contains(key, "/challenge_tokens/")
}

func (c *copies) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(c.folder, hex.EncodeToString(sum[:]))
}

// keep has the copy say what etcd says. A disk that takes nothing leaves the old one, or none.
func (c *copies) keep(key string, sealed []byte, revision int64) error {
	if c.folder == "" || !worthwhile(key) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	path := c.path(key)
	if known, err := os.ReadFile(path); err == nil && len(known) >= revisionSize {
		if int64(binary.BigEndian.Uint64(known)) > revision {
			return nil
		}
		if bytes.Equal(known[revisionSize:], sealed) {
			return touch(path)
		}
	}
	copied := append(binary.BigEndian.AppendUint64(nil, uint64(revision)), sealed...)
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return err
	}
	// CreateTemp makes files that are ours alone to read.
	file, err := os.CreateTemp(c.folder, "new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(copied)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

func touch(path string) error {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) < touchInterval {
		return err
	}
	now := time.Now()
	return os.Chtimes(path, now, now)
}

func (c *copies) forget(key string) {
	if c.folder != "" {
		_ = os.Remove(c.path(key))
	}
}

// read returns fs.ErrNotExist where there is no copy.
func (c *copies) read(key string) ([]byte, error) {
	if c.folder == "" {
		return nil, fs.ErrNotExist
	}
	held, err := os.ReadFile(c.path(key))
	if err == nil && len(held) < revisionSize {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return held[revisionSize:], nil
}

func (c *copies) prune(before time.Time) {
	entries, err := os.ReadDir(c.folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		old := err == nil && info.Mode().IsRegular() && info.ModTime().Before(before)
		// What a crash left half written.
		torn := err == nil && strings.HasPrefix(entry.Name(), "new-") && time.Since(info.ModTime()) > time.Hour
		if old || torn {
			_ = os.Remove(filepath.Join(c.folder, entry.Name()))
		}
	}
}
