package table

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// TestNormativeCases runs the rows and requests that validation and live requests are tested with too.
func TestNormativeCases(t *testing.T) {
	files, err := filepath.Glob("../../test/cases/routing/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases found: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []routingCase
		if text[0] != '[' {
			text = append(append([]byte{'['}, text...), ']')
		}
		if err := json.Unmarshal(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			t.Run(filepath.Base(file)+"/"+c.Name, c.run)
		}
	}
}

type routingCase struct {
	Name     string    `json:"name"`
	Rows     []RowJSON `json:"rows"`
	Requests []struct {
		Port    uint16            `json:"port"`
		Host    string            `json:"host"`
		Path    string            `json:"path"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
		TLS     bool              `json:"tls"`
		Want    *string           `json:"want"`
	} `json:"requests"`
}

func (c routingCase) run(t *testing.T) {
	if len(c.Requests) == 0 {
		t.Fatal("the case has no requests")
	}
	// Whole, and row by row in the opposite order: the way to a table must not matter.
	var whole, grown Table
	rows := NewRows()
	for i := range c.Rows {
		rows.Add(&c.Rows[i])
	}
	if err := whole.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	for i := len(c.Rows) - 1; i >= 0; i-- {
		one := NewRows()
		one.Add(&c.Rows[i])
		if err := grown.Patch(grown.Version(), c.Rows[i].ID, nil, one); err != nil {
			t.Fatal(err)
		}
	}
	for _, request := range c.Requests {
		target := request.Path
		if target == "" {
			target = "/"
		}
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		for name, value := range request.Headers {
			header.Set(name, value)
		}
		for name, table := range map[string]*Table{"whole": &whole, "grown": &grown} {
			row, _, _ := table.Lookup(&Request{
				Port: request.Port, TLS: request.TLS, Host: request.Host, Path: parsed.Path, Method: request.Method, Header: header,
			})
			got, want := "null", "null"
			if row != nil {
				got = row.ID()
			}
			if request.Want != nil {
				want = *request.Want
			}
			if got != want {
				t.Errorf("%s: %s %s on port %d, host %q, headers %v, tls %v: got %s, want %s",
					name, request.Method, request.Path, request.Port, request.Host, request.Headers, request.TLS, got, want)
			}
		}
	}
}
