// Command linearizability checks what clients saw of hostnames that several gateways gave away: whether there is one order of
// all changes, which keeps the order of time, in which each answer is right. It reads rounds from standard input:
//
//	[{"before": {"a.test": {"name": "x", "port": 9001}}, "operations": [
//	  {"client": 1, "call": 10, "return": 20, "host": "a.test", "do": "take", "names": ["x"], "port": 9001, "over": ["x"]},
//	  …
//	]}]
//
// and answers {"result": "ok", "operations": 1}, "illegal" with round and host, or "unknown" where the time was too short. Without
// `return` nobody knows what became of a change: it may have happened at any time, or not at all.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// timeLimit is for one hostname in one round.
const timeLimit = time.Minute

// holder is who has a hostname, and where that leads; the zero value is nobody.
type holder struct {
	Name string `json:"name"`
	Port int    `json:"port"`
}

// operation is what a call did to one hostname, or told of it.
type operation struct {
	Client int    `json:"client"`
	Call   int64  `json:"call"`
	Return *int64 `json:"return"`
	Host   string `json:"host"`
	Do     string `json:"do"`
	// Names are those that the operation is about; a take gives the hostname to the first.
	Names []string `json:"names"`
	Port  int      `json:"port"`
	// Over are those that a take may take it from.
	Over []string `json:"over"`
}

type round struct {
	Before     map[string]holder `json:"before"`
	Operations []operation       `json:"operations"`
}

type verdict struct {
	Result     string `json:"result"`
	Operations int    `json:"operations"`
	Round      int    `json:"round,omitempty"`
	Host       string `json:"host,omitempty"`
}

// step says whether an operation may tell what it told, and what it leaves.
func step(at, input, _ any) (bool, any) {
	now, do := at.(holder), input.(operation)
	holds := now.Name != "" && slices.Contains(do.Names, now.Name)
	switch do.Do {
	case "take":
		if now.Name == "" || slices.Contains(do.Over, now.Name) {
			return true, holder{do.Names[0], do.Port}
		}
		// Of one without an answer it may be that it was refused.
		return do.Return == nil, now
	case "release":
		if holds {
			return true, holder{}
		}
		return true, now
	case "held": // by somebody else
		return now.Name != "" && !holds, now
	case "absent":
		return !holds, now
	case "read":
		if len(do.Names) == 0 {
			return now.Name == "", now
		}
		return now == holder{do.Names[0], do.Port}, now
	}
	panic("unknown operation " + do.Do)
}

func check(before holder, operations []operation) porcupine.CheckResult {
	history := make([]porcupine.Operation, 0, len(operations))
	for _, one := range operations {
		end := int64(math.MaxInt64)
		if one.Return != nil {
			end = *one.Return
		}
		history = append(history, porcupine.Operation{ClientId: one.Client, Input: one, Call: one.Call, Return: end})
	}
	model := porcupine.Model{Init: func() any { return before }, Step: step}
	return porcupine.CheckOperationsTimeout(model, history, timeLimit)
}

func verdictOf(rounds []round) verdict {
	v := verdict{Result: "ok"}
	for at, one := range rounds {
		byHost := make(map[string][]operation)
		for _, operation := range one.Operations {
			byHost[operation.Host] = append(byHost[operation.Host], operation)
			v.Operations++
		}
		for host, operations := range byHost {
			switch check(one.Before[host], operations) {
			case porcupine.Illegal:
				return verdict{"illegal", len(operations), at + 1, host}
			case porcupine.Unknown:
				v.Result, v.Round, v.Host = "unknown", at+1, host
			}
		}
	}
	return v
}

func main() {
	var rounds []round
	if err := json.NewDecoder(os.Stdin).Decode(&rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdictOf(rounds)); err != nil {
		os.Exit(1)
	}
}
