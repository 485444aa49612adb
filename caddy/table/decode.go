package table

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Head is what a whole table has beside its rows.
type Head struct {
	Version string
	// PolicySets are those that the rows name, by key.
	PolicySets map[string]json.RawMessage
	// Staged: it is not stored yet. Default: it is.
	Staged bool
}

// ReadTable reads `{"version": "…", "rows": […], "policy_sets": {…}, "staged": true}` and gives each row to add, whose argument is used
// again. Rows are read one by one, so that a big table is never in memory as text.
func ReadTable(from io.Reader, add func(*RowJSON)) (head Head, err error) {
	dec := json.NewDecoder(from)
	dec.DisallowUnknownFields()
	if err := expect(dec, json.Delim('{')); err != nil {
		return Head{}, err
	}
	seen := make(map[string]bool)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Head{}, err
		}
		name, _ := key.(string)
		if seen[name] {
			return Head{}, fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		switch name {
		case "version":
			err = dec.Decode(&head.Version)
		case "rows":
			err = readRows(dec, add)
		case "policy_sets":
			err = dec.Decode(&head.PolicySets)
		case "staged":
			err = dec.Decode(&head.Staged)
		default:
			err = fmt.Errorf("unknown field %q", name)
		}
		if err != nil {
			return Head{}, err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return Head{}, err
	}
	if head.Version == "" {
		return Head{}, errors.New("version is missing or empty")
	}
	if !seen["rows"] {
		return Head{}, errors.New("rows is missing")
	}
	return head, expectEnd(dec)
}

func readRows(dec *json.Decoder, add func(*RowJSON)) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return err
	}
	var row RowJSON
	for i := 0; dec.More(); i++ {
		row = RowJSON{}
		if err := dec.Decode(&row); err != nil {
			return fmt.Errorf("rows[%d]: %w", i, err)
		}
		add(&row)
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if token != want {
		return fmt.Errorf("%v instead of %v", token, want)
	}
	return nil
}

func expectEnd(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// Delta is a change of the table from one version to the next, as it travels in JSON.
type Delta struct {
	From   string    `json:"from"`
	To     string    `json:"to"`
	Remove []string  `json:"remove"`
	Upsert []RowJSON `json:"upsert"`
	// PolicySets are those that the rows to upsert name, by key.
	PolicySets map[string]json.RawMessage `json:"policy_sets,omitempty"`
	// Staged: it is not stored yet, and may be taken back. Default: it is stored.
	Staged bool `json:"staged,omitempty"`
}

// ReadStrict decodes one JSON document and refuses fields that value does not have.
func ReadStrict(from io.Reader, value any) error {
	dec := json.NewDecoder(from)
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return expectEnd(dec)
}
