package accesslog

import "fmt"

// Mode is what is logged.
type Mode string

const (
	// Off logs nothing.
	Off Mode = "off"
	// Errors logs what was answered with 400 or more, was cut short, or found no rule.
	Errors Mode = "errors"
	// All logs everything.
	All Mode = "all"
)

// Validate refuses what is no mode. "" leaves the choice to somebody else.
func (m Mode) Validate() error {
	switch m {
	case "", Off, Errors, All:
		return nil
	}
	return fmt.Errorf("%q is neither %q, %q nor %q", m, Off, Errors, All)
}
