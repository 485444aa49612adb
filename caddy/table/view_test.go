package table

import (
	"encoding/json"
	"testing"
)

// A row is shown as it came, but for what may be a secret, files, and the names of captures.
func TestViewOfARow(t *testing.T) {
	for given, want := range map[string]string{
		`{"id":"a/0","ingress":"a","port":443,"host":"{x}.a.test","path":{"type":"prefix","value":"/b/"},"methods":["GET"],"headers":{"x-key":"secret"},
		  "tls":true,"auth":{"header":"X-A","sha256":"` + sha + `"},"policy":"p","listen":["10.0.0.1"],"tls_options":{"min_version":"1.3"},
		  "managed_name":{"subject":"*.a.test","issuer":"acme"},"targets":[{"instance":"dev-{x}","port":80}]}`: `{"id":"a/0","ingress":"a","port":443,"host":"*.a.test","path":{"type":"prefix","value":"/b"},"methods":["GET"],"headers":{"X-Key":"[redacted]"},"tls":true,"auth":{"header":"X-A","sha256":"[redacted]"},"policy":"p","targets":[{"instance":"dev-{0}","port":80}],"listen":["10.0.0.1"],"tls_options":{"min_version":"1.3"},"managed_name":{"subject":"*.a.test","issuer":"acme"}}`,
		`{"id":"b/0","ingress":"b","port":80,"host":"b.test","path":{"type":"exact","value":"/b"},"policy":"p",
		  "targets":[{"service":"web","port":80,"weight":3,"mode":"drain"},{"address":"db.test","resolvers":["10.0.0.2:53"],"port":81},{"instance":"w","port":1,"wake_ms":500}]}`: `{"id":"b/0","ingress":"b","port":80,"host":"b.test","path":{"type":"exact","value":"/b"},"policy":"p","targets":[{"service":"web","port":80,"weight":3,"mode":"drain"},{"address":"db.test","resolvers":["10.0.0.2:53"],"port":81,"weight":1},{"instance":"w","port":1,"weight":1,"wake_ms":500}]}`,
		`{"id":"c/0/redirect","ingress":"c","port":80,"host":"c.test","redirect":{"port":443}}`:                                                                                     `{"id":"c/0/redirect","ingress":"c","port":80,"host":"c.test","redirect":{"port":443}}`,
		`{"id":"d/0","ingress":"d","port":5432,"host":"d.test","layer4":{` + everything + `,"tls":{"server_name":"db","key_file":"/k"}},"targets":[{"instance":"db","port":5432}]}`: `{"id":"d/0","ingress":"d","port":5432,"host":"d.test","targets":[{"instance":"db","port":5432}],"layer4":{` + everything + `,"tls":{"server_name":"db"}}}`,
	} {
		var row RowJSON
		if err := json.Unmarshal([]byte(given), &row); err != nil {
			t.Fatal(err)
		}
		compiled, problems := compile(&row)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got, _ := json.Marshal(compiled.View()); string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// everything is all that a row of layer 4 can say beside TLS.
const everything = `"protocol":"tls","terminate":true,"policy":"first","connect_timeout_ms":1,"idle_timeout_ms":2,"max_connections":3,` +
	`"health":true,"max_fails":4,"fail_duration_ms":5,"proxy_protocol":"v2","allow":["10.0.0.0/8"],"deny":["10.1.0.0/16"]`

const sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestSelectedRows(t *testing.T) {
	var table Table
	rows := NewRows()
	for _, id := range []string{"b/0", "a/1", "a/0"} {
		rows.Add(&RowJSON{ID: id, Ingress: id, Port: 80, Host: id[:1] + id[len(id)-1:] + ".test", Policy: "p"})
	}
	if err := table.Replace("1", rows); err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[[2]string]string{{"", ""}: "a/0 a/1 b/0 ", {"a", ""}: "a/0 a/1 ", {"", "b0.test"}: "b/0 ", {"a", "b0.test"}: ""} {
		got := ""
		for _, row := range table.Select(asked[0], asked[1]) {
			got += row.ID() + " "
		}
		if got != want {
			t.Errorf("%v: %q, want %q", asked, got, want)
		}
	}
}
