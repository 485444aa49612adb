package table

import "fmt"

// Problem is what is wrong with a row.
type Problem struct {
	ID      string `json:"id"`
	Problem string `json:"problem"`
}

// Refusal is the error of a change that was refused as a whole; the table is as it was.
type Refusal struct{ Problems []Problem }

func (r *Refusal) Error() string {
	if len(r.Problems) == 0 {
		return "refused"
	}
	first := r.Problems[0]
	message := fmt.Sprintf("%q: %s", first.ID, first.Problem)
	if more := len(r.Problems) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more problems)", more)
	}
	return message
}

// VersionError is the error of a delta from another version than the running one; the table is as it was.
type VersionError struct{ Running, From string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the delta is from version %q, but %q is running", e.From, e.Running)
}
