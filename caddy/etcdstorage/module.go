package etcdstorage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"
)

func init() { caddy.RegisterModule(Storage{}) }

// Storage is the module `caddy.storage.gatewright_etcd`.
type Storage struct {
	settings

	cluster *cluster
	pool    string
}

// clusters are those of the process. One goes some time after the last configuration that names it, since orders outlive
// configurations.
var clusters = caddy.NewUsagePool()

// lingerTime is how long a connection is kept that no configuration names any more; an order takes less.
const lingerTime = 15 * time.Minute

// CaddyModule returns the module's information.
func (Storage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.gatewright_etcd", New: func() caddy.Module { return new(Storage) }}
}

// Provision reads the settings. It asks etcd for nothing, so that a Caddy starts while etcd is away.
func (s *Storage) Provision(caddy.Context) error {
	if err := s.resolve(); err != nil {
		return err
	}
	if err := s.problems(); err != nil {
		return err
	}
	// Files are read again when it connects; here, so that what is wrong with them is told now.
	if _, err := s.tlsConfig(); err != nil {
		return err
	}
	// Another password is no other cluster: locks and what is under way outlive it.
	same := s.settings
	same.Password, same.Credentials = "", ""
	text, err := json.Marshal(same)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	s.pool = hex.EncodeToString(sum[:])
	shared, _, err := clusters.LoadOrNew(s.pool, func() (caddy.Destructor, error) { return newCluster(s.settings) })
	if err != nil {
		s.pool = ""
		return err
	}
	s.cluster = shared.(*cluster)
	s.cluster.logIn(s.Password)
	return nil
}

// Cleanup lets the connection go, in a while.
func (s *Storage) Cleanup() error {
	if s.pool != "" {
		time.AfterFunc(lingerTime, func() { _, _ = clusters.Delete(s.pool) })
	}
	return nil
}

// CertMagicStorage returns the storage itself.
func (s *Storage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

// String names it in logs, without secrets.
func (s *Storage) String() string { return fmt.Sprintf("gatewright_etcd:%v%s", s.Endpoints, s.Prefix) }

// UnmarshalCaddyfile reads:
//
//	storage gatewright_etcd {
//		endpoints       <url...>
//		prefix          <prefix>
//		username        <name>
//		password        <password>
//		ca              <file>
//		cert            <file>
//		key             <file>
//		store_keys      <key...>
//		store_keys_file <file>
//		cache           <folder>
//		timeout         <duration>
//		lock_ttl        <duration>
//		instance        <name>
//	}
func (s *Storage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	texts := map[string]*string{
		"prefix": &s.Prefix, "username": &s.Username, "password": &s.Password, "ca": &s.CA, "cert": &s.Cert, "key": &s.Key,
		"store_keys_file": &s.StoreKeysFile, "cache": &s.Cache, "instance": &s.Instance,
	}
	durations := map[string]*caddy.Duration{"timeout": &s.Timeout, "lock_ttl": &s.LockTTL}
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		name, args := d.Val(), d.RemainingArgs()
		text, duration := texts[name], durations[name]
		switch {
		case len(args) == 0:
			return d.ArgErr()
		case name == "endpoints":
			s.Endpoints = append(s.Endpoints, args...)
		case name == "store_keys":
			for _, key := range args {
				if s.StoreKeys != "" {
					s.StoreKeys += ","
				}
				s.StoreKeys += key
			}
		case len(args) > 1:
			return d.ArgErr()
		case text != nil:
			*text = args[0]
		case duration != nil:
			read, err := caddy.ParseDuration(args[0])
			if err != nil {
				return d.Errf("%s: %v", name, err)
			}
			*duration = caddy.Duration(read)
		default:
			return d.Errf("unrecognized parameter '%s'", name)
		}
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner          = (*Storage)(nil)
	_ caddy.CleanerUpper         = (*Storage)(nil)
	_ caddy.StorageConverter     = (*Storage)(nil)
	_ caddyfile.Unmarshaler      = (*Storage)(nil)
	_ certmagic.Storage          = (*Storage)(nil)
	_ certmagic.TryLocker        = (*Storage)(nil)
	_ certmagic.LockLeaseRenewer = (*Storage)(nil)
)
