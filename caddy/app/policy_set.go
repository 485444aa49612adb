package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"gatewright.dev/caddy/accesslog"
	"gatewright.dev/caddy/rehearsal"
)

// Values of PolicySet.UncleanPaths.
const (
	CleanPaths  = "clean"
	RejectPaths = "reject"
	KeepPaths   = "keep"
)

// PolicySet is a chain of HTTP handlers, with a life of its own within a configuration's.
type PolicySet struct {
	// Handlers run in this order, each calling the next, as in a route of Caddy.
	HandlersRaw []json.RawMessage `json:"handle,omitempty" caddy:"namespace=http.handlers inline_key=handler"`

	// ErrorPages are sent instead of the dispatcher's own.
	ErrorPages ErrorPages `json:"error_pages,omitempty"`

	// UncleanPaths is what becomes of paths that servers read in more than one way: "clean", "reject" (400) or "keep".
	// Default: "clean" where a rule of a path had to be asked, else "keep".
	UncleanPaths string `json:"unclean_paths,omitempty"`

	// AccessLog is which requests are logged. Default: as App.AccessLog says.
	AccessLog accesslog.Mode `json:"access_log,omitempty"`

	handlers []caddyhttp.MiddlewareHandler
	chain    caddyhttp.Handler
	// checksHeader tells that a handler of the set checks the header that a row demands.
	checksHeader bool

	// text is what the set was made of.
	text json.RawMessage
	// uses are the requests under way, and one while the configuration has the set. At 0 the set is cleaned up.
	uses atomic.Int64
	// cleanUp has the modules of the set end; once.
	cleanUp func()
}

// headerChecker is a handler that checks the header which a row demands (policies.HeaderAuth).
type headerChecker interface{ ChecksHeader() }

// newPolicySet sets up a set for the configuration of the context.
func newPolicySet(ctx caddy.Context, text json.RawMessage) (*PolicySet, error) {
	set := &PolicySet{text: text}
	if err := caddy.StrictUnmarshalJSON(text, set); err != nil {
		return nil, err
	}
	own, cancel := caddy.NewContext(ctx)
	if err := set.provision(own); err != nil {
		cancel()
		return nil, err
	}
	set.cleanUp = sync.OnceFunc(cancel)
	set.uses.Store(1)
	return set, nil
}

func (s *PolicySet) provision(ctx caddy.Context) error {
	if len(s.HandlersRaw) == 0 {
		return errors.New("handle is empty")
	}
	if err := s.ErrorPages.validate(); err != nil {
		return err
	}
	if err := s.AccessLog.Validate(); err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	switch s.UncleanPaths {
	case "", CleanPaths, RejectPaths, KeepPaths:
	default:
		return fmt.Errorf("unclean_paths: %q is not known", s.UncleanPaths)
	}
	loaded, err := ctx.LoadModule(s, "HandlersRaw")
	if err != nil {
		return err
	}
	for _, handler := range loaded.([]any) {
		if _, checks := handler.(headerChecker); checks {
			s.checksHeader = true
		}
		s.handlers = append(s.handlers, handler.(caddyhttp.MiddlewareHandler))
	}
	// Built here and not for each request.
	s.chain = unanswered
	for _, handler := range slices.Backward(s.handlers) {
		next := s.chain
		s.chain = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return handler.ServeHTTP(w, r, next)
		})
	}
	return nil
}

// unanswered is behind the last handler, where nothing has answered: that is an error.
var unanswered caddyhttp.Handler = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return caddyhttp.Error(http.StatusInternalServerError, errors.New("no handler of the policy set answered"))
})

// enter begins a request; false when the set has ended.
func (s *PolicySet) enter() bool {
	for {
		uses := s.uses.Load()
		if uses == 0 {
			return false
		}
		if s.uses.CompareAndSwap(uses, uses+1) {
			return true
		}
	}
}

// Leave ends a request that App.EnterPolicySet has begun.
func (s *PolicySet) Leave() {
	if s.uses.Add(-1) == 0 {
		s.cleanUp()
	}
}

// ServeHTTP has the handlers of the set handle a request.
func (s *PolicySet) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	return s.chain.ServeHTTP(w, r)
}

// Rehearse has the handlers of the set handle a request without an effect.
func (s *PolicySet) Rehearse(w http.ResponseWriter, r *http.Request, rec *rehearsal.Record) error {
	return rehearse(s.handlers, w, r, rec)
}

func rehearse(handlers []caddyhttp.MiddlewareHandler, w http.ResponseWriter, r *http.Request, rec *rehearsal.Record) error {
	if len(handlers) == 0 {
		return unanswered.ServeHTTP(w, r)
	}
	return rec.Try(handlers[0], w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return rehearse(handlers[1:], w, r, rec)
	}))
}

// ChecksHeader tells whether a handler of the set checks the header that a row demands.
func (s *PolicySet) ChecksHeader() bool { return s.checksHeader }
