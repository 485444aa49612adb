package etcdstorage

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Below the prefix.
const (
	dataFolder  = "caddy/data/"
	locksFolder = "caddy/locks/"
)

const (
	defaultPrefix  = "/caddy/"
	defaultTimeout = 5 * time.Second
	defaultLockTTL = 15 * time.Second
)

// settings are what storages must have in common to share a connection.
type settings struct {
	// Endpoints are the members of the cluster, such as `https://etcd-1.internal:2379`.
	Endpoints []string `json:"endpoints"`

	// Prefix of all keys. Default: `/caddy/`. All who have the same one share certificates, accounts and locks.
	Prefix string `json:"prefix,omitempty"`

	// Username and Password, where etcd asks for them. The password may be a placeholder, such as
	// `{file./etc/caddy/etcd-password}`. Default: none.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`

	// CA is a PEM file with the authorities of etcd's certificates. Default: those of the system.
	CA string `json:"ca,omitempty"`

	// Cert and Key are PEM files of the certificate that etcd is shown. Default: none.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`

	// StoreKeys seal the values: 32 octets each as base64, separated by commas. The first seals, all open. It may be a
	// placeholder. Either these or a file is needed.
	StoreKeys string `json:"store_keys,omitempty"`

	// StoreKeysFile is a file with the keys; it is read again when it changes.
	StoreKeysFile string `json:"store_keys_file,omitempty"`

	// Cache is a folder for copies of what was read and written, sealed as in etcd, from which a Caddy starts while etcd does not
	// answer. Default: none; then it needs etcd to start.
	Cache string `json:"cache,omitempty"`

	// Timeout is how long etcd may take for one thing. After that it counts as away, and nothing waits for it until it answers
	// again; an election of etcd takes up to two. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// LockTTL is how long the locks of a process that died keep others waiting. One that cannot reach etcd for this long has lost
	// its locks. Whole seconds. Default: 15s.
	LockTTL caddy.Duration `json:"lock_ttl,omitempty"`

	// Instance is written into locks, for people who look. Default: the name of the machine.
	Instance string `json:"instance,omitempty"`

	// Credentials changes with what stands in files, which no configuration shows, so that they are read again. Default: none.
	Credentials string `json:"credentials,omitempty"`
}

// resolve replaces placeholders and sets what was left out.
func (s *settings) resolve() error {
	replacer := caddy.NewReplacer()
	for _, field := range []*string{
		&s.Prefix, &s.Username, &s.Password, &s.CA, &s.Cert, &s.Key, &s.StoreKeys, &s.StoreKeysFile, &s.Cache, &s.Instance,
	} {
		replaced, err := replacer.ReplaceOrErr(*field, true, false)
		if err != nil {
			return err
		}
		*field = replaced
	}
	for at, endpoint := range s.Endpoints {
		s.Endpoints[at] = replacer.ReplaceAll(endpoint, "")
	}
	s.Password = strings.TrimRight(s.Password, "\r\n")
	if s.Prefix == "" {
		s.Prefix = defaultPrefix
	}
	if !strings.HasSuffix(s.Prefix, "/") {
		s.Prefix += "/"
	}
	if s.Timeout == 0 {
		s.Timeout = caddy.Duration(defaultTimeout)
	}
	if s.LockTTL == 0 {
		s.LockTTL = caddy.Duration(defaultLockTTL)
	}
	if s.Instance == "" {
		s.Instance, _ = os.Hostname()
	}
	return nil
}

// problems are all that is wrong with the settings.
func (s *settings) problems() error {
	var found []error
	report := func(text string, args ...any) { found = append(found, fmt.Errorf(text, args...)) }
	if len(s.Endpoints) == 0 {
		report("endpoints: name the members of the cluster, such as https://etcd-1.internal:2379")
	}
	schemes := map[string]bool{}
	for _, endpoint := range s.Endpoints {
		at, err := url.Parse(endpoint)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			report("endpoints: %q is no URL such as https://etcd-1.internal:2379", endpoint)
			continue
		}
		schemes[at.Scheme] = true
	}
	if len(schemes) > 1 {
		report("endpoints: all are http, or all are https")
	}
	if (s.Username == "") != (s.Password == "") {
		report("username and password: both, or none")
	}
	if (s.Cert == "") != (s.Key == "") {
		report("cert and key: both, or none")
	}
	if s.StoreKeys != "" && s.StoreKeysFile != "" {
		report("store_keys and store_keys_file: one of them")
	}
	if time.Duration(s.Timeout) < 0 {
		report("timeout: above 0")
	}
	if ttl := time.Duration(s.LockTTL); ttl < 2*time.Second || ttl%time.Second != 0 {
		report("lock_ttl: whole seconds, 2s at least")
	}
	return errors.Join(found...)
}

// tlsConfig is nil for plain HTTP. Files are read again for each new connection.
func (s *settings) tlsConfig() (*tls.Config, error) {
	if len(s.Endpoints) == 0 || !strings.HasPrefix(s.Endpoints[0], "https:") {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		text, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca: %s has no certificate in PEM", s.CA)
		}
	}
	if s.Cert != "" {
		// Read for each handshake, so that a renewed one is shown.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
			return &pair, err
		}
		if _, err := tls.LoadX509KeyPair(s.Cert, s.Key); err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
	}
	return config, nil
}
