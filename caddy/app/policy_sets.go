package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"gatewright.dev/caddy/table"
)

// policySets are the sets of this process: those that rows of the host table name.
// Configurations come and go above them, each with handlers of its own.
var policySets setsOfProcess

type setsOfProcess struct {
	// mu is held through a change of the host table, and while a configuration sets up what there is.
	mu    sync.Mutex
	texts map[string]json.RawMessage
	// apps are those of configurations that were started and not stopped: what changes, changes in each.
	apps []*App
}

// change makes a change of the host table, with the sets that come with its rows.
func (p *setsOfProcess) change(rows *table.Rows, texts map[string]json.RawMessage, apply func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changeIn(p.apps, rows, texts, apply)
}

// changeIn is change in the apps given. mu is held.
func (p *setsOfProcess) changeIn(apps []*App, rows *table.Rows, texts map[string]json.RawMessage, apply func() error) error {
	maps.DeleteFunc(texts, func(key string, text json.RawMessage) bool { return bytes.Equal(p.texts[key], text) })
	fresh := setUp(apps, rows, texts)
	rows.DemandPolicies(func(key string) bool { return texts[key] != nil || p.texts[key] != nil })
	rows.Ready = func() {
		if p.texts == nil {
			p.texts = make(map[string]json.RawMessage)
		}
		maps.Copy(p.texts, texts)
		for _, one := range fresh {
			one.app.put(one.key, one.set)
		}
	}
	if err := apply(); err != nil {
		for _, one := range fresh {
			one.set.cleanUp()
		}
		return err
	}
	for _, key := range slices.AppendSeq(rows.Left(), maps.Keys(texts)) {
		if hostTable.Names(key) {
			continue
		}
		delete(p.texts, key)
		for _, app := range apps {
			app.drop(key)
		}
	}
	return nil
}

// freshSet is a set that no request sees yet.
type freshSet struct {
	app *App
	key string
	set *PolicySet
}

// setUp sets up new sets, or other handlers of known ones. What cannot be set up is refused with the rows.
func setUp(apps []*App, rows *table.Rows, texts map[string]json.RawMessage) (fresh []freshSet) {
	if len(texts) > 0 && len(apps) == 0 {
		rows.Refuse(table.Problem{ID: "policy_sets", Problem: errNoApp.Error()})
	}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		for _, app := range apps {
			set, err := newPolicySet(app.ctx, texts[key])
			if err != nil {
				rows.Refuse(table.Problem{ID: fmt.Sprintf("policy_sets[%s]", key), Problem: err.Error()})
				break
			}
			fresh = append(fresh, freshSet{app, key, set})
		}
	}
	return fresh
}

var errNoApp = errors.New("no configuration with the app " + ID + " runs")

// getPolicySets answers what the sets of the process are made of.
func getPolicySets(*http.Request) (any, error) {
	policySets.mu.Lock()
	defer policySets.mu.Unlock()
	return map[string]any{"policy_sets": maps.Clone(policySets.texts)}, nil
}

// PolicySetText is what a set of the process is made of; nil when there is none of the key.
func PolicySetText(key string) json.RawMessage {
	policySets.mu.Lock()
	defer policySets.mu.Unlock()
	return policySets.texts[key]
}

// start has an app take part in changes, once it has what came and went since it was provisioned.
func (p *setsOfProcess) start(app *App) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.catchUp(app); err != nil {
		return err
	}
	p.apps = append(p.apps, app)
	return nil
}

// catchUp gives an app the sets of the process, and takes others from it. mu is held.
func (p *setsOfProcess) catchUp(app *App) error {
	for key, text := range p.texts {
		if has, _ := app.sets.Load(key); has != nil && bytes.Equal(has.(*PolicySet).text, text) {
			continue
		}
		set, err := newPolicySet(app.ctx, text)
		if err != nil {
			return fmt.Errorf("policy_sets[%s]: %w", key, err)
		}
		app.put(key, set)
	}
	app.sets.Range(func(key, _ any) bool {
		if p.texts[key.(string)] == nil {
			app.drop(key.(string))
		}
		return true
	})
	return nil
}

// stop leaves an app as it is from now on: its last requests find what came later in the app that runs.
func (p *setsOfProcess) stop(app *App) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apps = slices.DeleteFunc(p.apps, func(one *App) bool { return one == app })
}

func (a *App) put(key string, set *PolicySet) {
	if before, had := a.sets.Swap(key, set); had {
		before.(*PolicySet).Leave()
	}
}

func (a *App) drop(key string) {
	if set, had := a.sets.LoadAndDelete(key); had {
		set.(*PolicySet).Leave()
	}
}

// EnterPolicySet begins a request with a set of this configuration, until PolicySet.Leave; nil when there is none.
func (a *App) EnterPolicySet(key string) *PolicySet {
	for {
		found, _ := a.sets.Load(key)
		set, _ := found.(*PolicySet)
		// One that has ended was taken out or replaced before.
		if set == nil || set.enter() {
			return set
		}
	}
}
