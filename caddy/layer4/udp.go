package layer4

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
)

var sockets = caddy.NewUsagePool()

// startUDP opens the sockets that are not open yet.
func (a *App) startUDP() error {
	a.sockets = make(map[string]*socket)
	for _, listen := range a.UDP {
		if a.sockets[listen] != nil {
			continue
		}
		value, _, err := sockets.LoadOrNew(listen, func() (caddy.Destructor, error) { return openSocket(listen) })
		if err != nil {
			return err
		}
		a.sockets[listen] = value.(*socket)
		a.sockets[listen].own(a)
	}
	return nil
}

// stopUDP closes the sockets that no other configuration uses.
func (a *App) stopUDP() error {
	var failures []error
	for listen, socket := range a.sockets {
		socket.disown(a)
		_, err := sockets.Delete(listen)
		failures = append(failures, err)
	}
	a.sockets = nil
	return errors.Join(failures...)
}
