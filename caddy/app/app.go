package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"gatewright.dev/caddy/accesslog"
	"gatewright.dev/caddy/resolver"
	"gatewright.dev/caddy/tracing"
)

func init() { caddy.RegisterModule(new(App)) }

// ID is the name of the app in the configuration's `apps`.
const ID = "gatewright"

// generations counts the configurations that were started in this process.
var generations atomic.Uint64

// resolvers are shared by configurations that ask the same DNS server, so that a reload forgets no address.
var resolvers = caddy.NewUsagePool()

// App is the app `gatewright`: what the handler `gatewright` needs besides the host table.
type App struct {
	// Version is the name of this configuration that `GET /gatewright/state` tells once it runs.
	Version string `json:"version,omitempty"`

	// TableFile is read when the process has no table yet, before anything listens:
	// `{"version": "…", "rows": […], "policy_sets": {…}}`. It must be there then. Later configurations, and tables that
	// came by the admin endpoint, leave it unread.
	TableFile string `json:"table_file,omitempty"`

	// PolicySets are those of a table file that has none: versions in which sets did not travel with rows wrote them here, and
	// a full disk may have kept the newer files out.
	PolicySets map[string]json.RawMessage `json:"policy_sets,omitempty"`

	// ReservedHost is taken by rows that name it alone, on every port: browsers send cookies of the API's name to all of them.
	// Default: none.
	ReservedHost string `json:"reserved_host,omitempty"`

	// Resolver is the DNS server that knows the instances.
	Resolver Resolver `json:"resolver"`

	// Guard names the addresses that must not be dialed.
	Guard resolver.Guard `json:"guard,omitempty"`

	// ErrorPages are for all ingresses, and for requests that no row takes. Those of a policy set go first.
	ErrorPages ErrorPages `json:"error_pages,omitempty"`

	// Metrics false has requests not counted, and not recorded unless they are logged or traced: what that costs is measured so. Default: true.
	Metrics *bool `json:"metrics,omitempty"`

	// AccessLog says which requests and connections are logged, and where. Default: none, unless a policy set says so; in
	// access.log beside TableFile.
	AccessLog accesslog.Settings `json:"access_log,omitzero"`

	// Tracing says where spans of requests go. Default: there are none.
	Tracing *tracing.Settings `json:"tracing,omitempty"`

	// generation is this configuration's number in the process; 0 before its start.
	generation uint64
	ctx        caddy.Context
	// sets are this configuration's *PolicySet by key.
	sets        sync.Map
	logger      *zap.Logger
	resolver    *resolver.Resolver
	resolverKey *resolverKey
	accessLog   *accesslog.Log
	tracer      *tracing.Tracer
}

// Resolver is a DNS server that knows the instances.
type Resolver struct {
	// Address is `ip:port`, asked over UDP, and over TCP where an answer does not fit a packet.
	Address string `json:"address,omitempty"`

	// Zone is appended to an instance's name. Default: nothing.
	Zone string `json:"zone,omitempty"`

	// MinTTL is how long an address is used even if its TTL is shorter. Default, and the least: 1s.
	MinTTL caddy.Duration `json:"min_ttl,omitempty"`
}

type resolverKey struct {
	address, zone string
	minTTL        time.Duration
}

// CaddyModule returns the module's information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: ID, New: func() caddy.Module { return new(App) }}
}

// Provision sets the app up, and reads the table of a process that has none.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.logger = ctx, ctx.Logger()
	if _, err := netip.ParseAddrPort(a.Resolver.Address); err != nil {
		return fmt.Errorf("resolver.address: %w", err)
	}
	if a.Resolver.MinTTL < 0 {
		return errors.New("resolver.min_ttl: is negative")
	}
	if err := a.Guard.Provision(); err != nil {
		return err
	}
	if err := a.ErrorPages.validate(); err != nil {
		return err
	}
	if err := a.openLogs(); err != nil {
		return err
	}
	// Policy sets ask for it, also when they come later: then no app may be added to the configuration any more.
	if _, err := ctx.App("events"); err != nil {
		return err
	}
	key := resolverKey{a.Resolver.Address, a.Resolver.Zone, time.Duration(a.Resolver.MinTTL)}
	shared, _, err := resolvers.LoadOrNew(key, func() (caddy.Destructor, error) {
		names := resolver.New(key.address, key.zone, key.minTTL)
		if a.TableFile != "" {
			// Beside the table, since it is of the same moment.
			if err := names.Keep(filepath.Join(filepath.Dir(a.TableFile), "addresses.json")); err != nil {
				a.logger.Warn("the addresses that were known before cannot be read", zap.Error(err))
			}
		}
		return names, nil
	})
	if err != nil {
		return err
	}
	a.resolver, a.resolverKey = shared.(*resolver.Resolver), &key
	policySets.mu.Lock()
	defer policySets.mu.Unlock()
	// Before anything listens.
	hostTable.Reserve(a.ReservedHost)
	if err := a.readTable(); err != nil {
		return err
	}
	return policySets.catchUp(a)
}

// Start has changes of policy sets reach this configuration.
func (a *App) Start() error {
	if err := policySets.start(a); err != nil {
		return err
	}
	a.generation = generations.Add(1)
	return nil
}

// Stop ends that. Requests of kept connections go on until the HTTP app has ended them.
func (a *App) Stop() error {
	policySets.stop(a)
	return nil
}

// Cleanup lets the policy sets go, each with its last request, and gives the resolver back.
func (a *App) Cleanup() error {
	a.sets.Range(func(key, _ any) bool {
		a.drop(key.(string))
		return true
	})
	err := a.closeLogs()
	if a.resolverKey == nil {
		return err
	}
	_, unknown := resolvers.Delete(*a.resolverKey)
	return errors.Join(err, unknown)
}

// Of returns the app of the configuration that is being loaded.
func Of(ctx caddy.Context) (*App, error) {
	loaded, err := ctx.AppIfConfigured(ID)
	if err != nil {
		return nil, fmt.Errorf("the handler needs the app: %w", err)
	}
	return loaded.(*App), nil
}

// Records tells whether requests of this configuration are recorded while they are served.
func (a *App) Records() bool {
	return a.Metrics == nil || *a.Metrics || a.tracer != nil || a.accessLog.Logs()
}

// openLogs has requests be logged and traced.
func (a *App) openLogs() (err error) {
	file := "access.log"
	if a.TableFile != "" {
		file = filepath.Join(filepath.Dir(a.TableFile), file)
	}
	if a.accessLog, err = accesslog.Open(a.ctx, a.AccessLog, file); err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	if a.Tracing != nil {
		if a.tracer, err = tracing.Open(*a.Tracing); err != nil {
			return fmt.Errorf("tracing: %w", err)
		}
	}
	return nil
}

// closeLogs has what waits be written and sent, where this is the last configuration with these.
func (a *App) closeLogs() (err error) {
	if a.accessLog != nil {
		err = a.accessLog.Close()
	}
	if a.tracer != nil {
		err = errors.Join(err, a.tracer.Close())
	}
	return err
}

// Log is the access log.
func (a *App) Log() *accesslog.Log { return a.accessLog }

// Tracer makes spans of requests; nil where there are to be none.
func (a *App) Tracer() *tracing.Tracer { return a.tracer }

// Addresses is what finds the addresses of instances.
func (a *App) Addresses() *resolver.Resolver { return a.resolver }

// Running returns the app of the configuration that runs, as opposed to one that is loading or ending; nil when
// there is none.
func Running() *App {
	loaded, err := caddy.ActiveContext().AppIfConfigured(ID)
	if err != nil {
		return nil
	}
	app, _ := loaded.(*App)
	return app
}

// Interface guards.
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
