import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import { EtcdClient } from "../store/etcd/client.ts";
import { Sealer } from "../store/etcd/sealer.ts";

type EtcdConfig = Extract<Config["store"], { readonly kind: "etcd" }>;

/** A client of the etcd of the settings, and what opens its values. Throws `config_invalid` where a file of a certificate cannot be read. */
export async function openEtcd(
  store: EtcdConfig,
): Promise<{ readonly client: EtcdClient; readonly sealer: Sealer }> {
  const { endpoints, keys, password, user } = store;
  const client = new EtcdClient({
    endpoints,
    tls: await readTls(store),
    ...(user === undefined ? {} : { user: { name: user, password: password?.reveal() ?? "" } }),
  });
  return { client, sealer: new Sealer(keys.map((key) => key.reveal())) };
}

async function readTls({ ca, cert, key }: EtcdConfig) {
  const read = async (name: string, path: string | undefined) => {
    if (path === undefined) return {};
    try {
      return { [name.slice("ETCD_".length).toLowerCase()]: await readFile(path, "utf8") };
    } catch {
      const message = `${name}: ${path} cannot be read; name a PEM file that Gatewright's user may read`;
      throw new GatewrightError("config_invalid", message, {
        details: [{ code: "invalid_value", field: name, message }],
      });
    }
  };
  return {
    ...(await read("ETCD_CA", ca)),
    ...(await read("ETCD_CERT", cert)),
    ...(await read("ETCD_KEY", key)),
  };
}
