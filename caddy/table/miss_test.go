package table

import (
	"fmt"
	"net"
	"testing"
)

func TestWhyNoRowTakesARequest(t *testing.T) {
	onPort := func(port int) func(*RowJSON) { return func(r *RowJSON) { r.Port = port } }
	rows := []RowJSON{
		rowJSON("api", "a.test", prefix("/api"), methods("GET", "PUT"), headers("X-Tenant", "one")),
		rowJSON("exact", "a.test", exact("/only")),
		rowJSON("wild", "*.wild.test", methods("POST")),
		rowJSON("secure", "s.test", onPort(443), prefix("/in"), func(r *RowJSON) { r.TLS = true }),
		rowJSON("all", "*", onPort(444), func(r *RowJSON) { r.TLS = true }),
		rowJSON("local", "l.test", func(r *RowJSON) { r.Listen = []string{"127.0.0.2"} }),
	}
	for i := range fewRows + 2 {
		rows = append(rows, rowJSON(fmt.Sprint("m", i), "many.test", prefix(fmt.Sprint("/", i)), methods("GET")))
	}
	var table Table
	mustReplace(t, &table, "t1", rows...)
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	for _, c := range []struct {
		ask  Request
		want Miss
	}{
		{Request{Port: 81, Host: "a.test", Path: "/api"}, MissPort},
		{Request{Port: 80, Host: "b.test", Path: "/api"}, MissHost},
		{Request{Port: 80, Host: "a.test", Path: "/"}, MissPath},
		{Request{Port: 80, Host: "a.test", Path: "/apis", Method: "DELETE"}, MissPath},
		{Request{Port: 80, Host: "a.test", Path: "/api/x", Method: "DELETE"}, MissMethod},
		{Request{Port: 80, Host: "A.test:80", Path: "/api/x", Method: "GET"}, MissHeaders},
		{Request{Port: 80, Host: "a.test", Path: "/api", Method: "GET", Header: map[string][]string{"X-Tenant": {"one"}}, TLS: true}, MissScheme},
		{Request{Port: 80, Host: "x.wild.test", Path: "/", Method: "GET"}, MissMethod},
		{Request{Port: 80, Host: "l.test", Path: "/", Local: here}, MissAddress},
		{Request{Port: 443, Host: "s.test", Path: "/in", Method: "GET"}, MissScheme},
		{Request{Port: 443, Host: "s.test", Path: "/out", Method: "GET", TLS: true}, MissPath},
		{Request{Port: 80, Host: "A.Test.:80", Path: "/"}, MissPath},
		{Request{Port: 80, Host: "wild.test", Path: "/"}, MissHost},
		{Request{Port: 80, Host: "x.y.wild.test", Path: "/"}, MissHost},
		{Request{Port: 80, Host: "", Path: "/"}, MissHost},
		{Request{Port: 444, Host: "any.test", Path: "/"}, MissScheme},
		{Request{Port: 80, Host: "many.test", Path: "/99", Method: "GET"}, MissPath},
		{Request{Port: 80, Host: "many.test", Path: "/17", Method: "POST"}, MissMethod},
	} {
		if row, _, _ := table.Lookup(&c.ask); row != nil {
			t.Errorf("%+v: %s takes it", c.ask, row.ID())
		}
		if got := table.Miss(&c.ask); got != c.want {
			t.Errorf("%+v: %s, want %s", c.ask, got, c.want)
		}
	}
}
