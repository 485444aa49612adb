// Package etcdstorage is the module `caddy.storage.gatewright_etcd`: Caddy's storage in etcd, so that several Caddys have one set
// of certificates, accounts, challenges and session ticket keys, and order each certificate once.
//
//	{
//		"storage": {
//			"module": "gatewright_etcd",
//			"endpoints": ["https://etcd-1.internal:2379", "https://etcd-2.internal:2379", "https://etcd-3.internal:2379"],
//			"prefix": "/caddy/",
//			"ca": "/etc/caddy/etcd-ca.pem",
//			"store_keys_file": "/etc/caddy/store-keys",
//			"cache": "/var/lib/caddy/store-copy"
//		}
//	}
//
// Below the prefix stand `caddy/data/<key>`, sealed with the operators' keys (seal.go), and `caddy/locks/<name>`, on a lease of the
// process (locks.go). What is written under a lock compares the lock in the same transaction. While etcd does not answer nothing
// waits for it, and what was read before comes from the copies (copies.go).
package etcdstorage
