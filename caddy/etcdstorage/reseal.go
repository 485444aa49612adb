package etcdstorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "etcd-reseal",
		Usage: "--config <file>",
		Short: "Seals what the etcd storage holds with the first of its keys",
		Long: `
Reads all values of the storage that a configuration names, and seals again those that another key than the first has sealed.
Nothing else about them changes, and Caddys may serve meanwhile. When it has ended, the other keys are needed no more.`,
		CobraFunc: func(command *cobra.Command) {
			command.Flags().StringP("config", "c", "", "Configuration in JSON")
			command.RunE = caddycmd.WrapCommandFuncForCobra(reseal)
		},
	})
}

func reseal(flags caddycmd.Flags) (int, error) {
	text, err := os.ReadFile(flags.String("config"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	var config struct {
		Storage struct {
			Module string `json:"module"`
			settings
		} `json:"storage"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if config.Storage.Module != "gatewright_etcd" {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("the storage of %s is not gatewright_etcd", flags.String("config"))
	}
	s := &Storage{settings: config.Storage.settings}
	if err := s.Provision(caddy.Context{}); err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	count, err := s.Reseal(context.Background())
	fmt.Printf("%d values were sealed with the first key\n", count)
	if err != nil {
		return caddy.ExitCodeFailedQuit, err
	}
	return caddy.ExitCodeSuccess, nil
}

// Reseal seals again the values that another key than the first has sealed, and returns how many. A value that changes
// meanwhile is left to who changed it. Errors of single values are told together, after the others.
func (s *Storage) Reseal(ctx context.Context) (count int, err error) {
	var names []string
	top := s.Prefix + dataFolder
	if err := s.each(ctx, top, func(below string) { names = append(names, below) }); err != nil {
		return 0, err
	}
	var failed []error
	for _, name := range names {
		done, err := s.resealOne(ctx, name)
		if away := new(AwayError); errors.As(err, &away) || ctx.Err() != nil {
			return count, errors.Join(append(failed, err)...)
		}
		if err != nil {
			failed = append(failed, err)
		} else if done {
			count++
		}
	}
	return count, errors.Join(failed...)
}

func (s *Storage) resealOne(ctx context.Context, key string) (done bool, err error) {
	err = s.cluster.do(ctx, func(ctx context.Context, client *clientv3.Client) error {
		found, err := client.Get(ctx, s.at(key))
		if err != nil || len(found.Kvs) == 0 {
			return err
		}
		keys, err := s.cluster.keys.get(false)
		if err != nil || keys.sealedByFirst(found.Kvs[0].Value) {
			return err
		}
		clear, err := s.cluster.keys.open(s.name(key), found.Kvs[0].Value)
		if err != nil {
			return err
		}
		changed, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(s.at(key)), "=", found.Kvs[0].ModRevision)).
			Then(clientv3.OpPut(s.at(key), string(keys.seal(s.name(key), clear)))).
			Commit()
		done = err == nil && changed.Succeeded
		return err
	})
	return done, err
}
