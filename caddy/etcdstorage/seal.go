package etcdstorage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A sealed value is sealMark, the id of its key, a nonce, and what AES-256-GCM makes of the clear text. The key in etcd, without
// the prefix, goes with it as additional data, so that no value can be put in the place of another.
const (
	sealMark  = "GW1"
	keyIDSize = 8
	nonceSize = 12
	headSize  = len(sealMark) + keyIDSize + nonceSize
)

var errNotSealed = errors.New("the value is not sealed; it was not written by this storage")

// storeKey is one of the operators' keys.
type storeKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// keyring are the keys that are in use: the first seals, all open.
type keyring []storeKey

// parseKeys reads keys that are separated by commas or white space, each 32 octets as base64, of either alphabet, with
// padding or without. Errors tell the place of a bad key and never the key.
func parseKeys(text string) (keyring, error) {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	if len(fields) == 0 {
		return nil, errors.New("there is no key; make one with `openssl rand -base64 32`")
	}
	keys := make(keyring, 0, len(fields))
	for at, field := range fields {
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(field, "="))
		raw, err := base64.RawStdEncoding.DecodeString(plain)
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("key %d is not 32 octets in base64; make one with `openssl rand -base64 32`", at+1)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("gatewright store key"), raw...))
		keys = append(keys, storeKey{id: [keyIDSize]byte(sum[:keyIDSize]), aead: aead})
	}
	return keys, nil
}

func (k keyring) seal(name string, clear []byte) []byte {
	first := k[0]
	sealed := make([]byte, headSize, headSize+len(clear)+first.aead.Overhead())
	copy(sealed, sealMark)
	copy(sealed[len(sealMark):], first.id[:])
	nonce := sealed[len(sealMark)+keyIDSize:]
	_, _ = rand.Read(nonce)
	return first.aead.Seal(sealed, nonce, clear, []byte(name))
}

// unknownKeyError is a value that was sealed by a key that is not there (any more).
type unknownKeyError struct{ id string }

func (e unknownKeyError) Error() string {
	return "the store keys lack the one with id " + e.id + ", by which the value was sealed"
}

func (k keyring) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < headSize || string(sealed[:len(sealMark)]) != sealMark {
		return nil, errNotSealed
	}
	id := sealed[len(sealMark):][:keyIDSize]
	at := slices.IndexFunc(k, func(key storeKey) bool { return string(key.id[:]) == string(id) })
	if at < 0 {
		return nil, unknownKeyError{hex.EncodeToString(id)}
	}
	clear, err := k[at].aead.Open(nil, sealed[len(sealMark)+keyIDSize:headSize], sealed[headSize:], []byte(name))
	if err != nil {
		return nil, errors.New("the value was changed, or is that of another key")
	}
	return clear, nil
}

// sealedByFirst says whether a value need not be sealed again.
func (k keyring) sealedByFirst(sealed []byte) bool {
	return len(sealed) >= headSize && string(sealed[len(sealMark):][:keyIDSize]) == string(k[0].id[:])
}

// keySource gives the keys: those of the configuration, or those of a file, which is read again when it changes.
type keySource struct {
	file string

	mu      sync.Mutex
	keys    keyring
	read    os.FileInfo
	checked time.Time
}

// keyCheckInterval is how often it is looked whether the file is another one.
const keyCheckInterval = time.Second

func newKeySource(text, file string) (*keySource, error) {
	s := &keySource{file: file}
	if file == "" {
		keys, err := parseKeys(text)
		s.keys = keys
		return s, err
	}
	_, err := s.get(true)
	return s, err
}

// get returns the keys. The last good ones stay where the file cannot be read, or is bad: err tells of it only while there
// are none.
func (s *keySource) get(now bool) (keyring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == "" || !now && time.Since(s.checked) < keyCheckInterval {
		return s.keys, nil
	}
	s.checked = time.Now()
	err := s.reread()
	if s.keys != nil {
		err = nil
	}
	return s.keys, err
}

func (s *keySource) reread() error {
	info, err := os.Stat(s.file)
	if err != nil {
		return fmt.Errorf("the file of the store keys cannot be read: %w", err)
	}
	if s.read != nil && os.SameFile(info, s.read) && info.ModTime().Equal(s.read.ModTime()) && info.Size() == s.read.Size() {
		return nil
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("the file of the store keys cannot be read: %w", err)
	}
	keys, err := parseKeys(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", s.file, err)
	}
	s.keys, s.read = keys, info
	return nil
}

func (s *keySource) seal(name string, clear []byte) ([]byte, error) {
	keys, err := s.get(false)
	if err != nil {
		return nil, err
	}
	return keys.seal(name, clear), nil
}

// open looks into the file again where a key is wanting: another gateway may have been given it a moment earlier.
func (s *keySource) open(name string, sealed []byte) ([]byte, error) {
	keys, err := s.get(false)
	if err != nil {
		return nil, err
	}
	clear, err := keys.open(name, sealed)
	if unknown := (unknownKeyError{}); errors.As(err, &unknown) && s.file != "" {
		if keys, err = s.get(true); err == nil {
			clear, err = keys.open(name, sealed)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return clear, nil
}
