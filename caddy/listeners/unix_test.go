package listeners

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func shareOfUnix(t *testing.T, host string) (net.Listener, error) {
	t.Helper()
	share, err := listenUnix(t.Context(), UnixNetwork, host, "", 0, net.ListenConfig{})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = share.(net.Listener).Close() })
	return share.(net.Listener), nil
}

// TestAUnixSocketIsShared: it ends with the last configuration that has it, and a file that somebody else has put in its place stays.
func TestAUnixSocketIsShared(t *testing.T) {
	for _, c := range []struct {
		mode     string
		want     os.FileMode
		replaced bool
	}{{"", 0o200, false}, {"|0600", 0o600, false}, {"|0600", 0o600, true}} {
		path := filepath.Join(t.TempDir(), "admin.sock")
		one, err := shareOfUnix(t, path+c.mode)
		if err != nil {
			t.Fatal(err)
		}
		two, err := shareOfUnix(t, path+c.mode)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		// Twice is once.
		_, _ = one.Close(), one.Close()
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if served, err := two.Accept(); err != nil {
			t.Error(err)
		} else {
			_ = served.Close()
		}
		if c.replaced {
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_ = two.Close()
		if _, err := os.Lstat(path); (err == nil) != c.replaced {
			t.Errorf("replaced: %v, at the end: %v", c.replaced, err)
		}
		if len(unixSockets) != 0 {
			t.Errorf("%d sockets are kept", len(unixSockets))
		}
	}
	for _, mode := range []string{"|", "|rw", "|0999", "|07777"} {
		if _, err := shareOfUnix(t, filepath.Join(t.TempDir(), "admin.sock")+mode); err == nil {
			t.Errorf("the mode %q is taken", mode)
		}
	}
}
