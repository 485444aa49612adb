import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import { type Resealed, reseal } from "../store/etcd/reseal.ts";
import { openEtcd } from "./open-etcd.ts";

/** Seals what is stored with the first of STORE_KEY. Throws `config_invalid` with `STORE=files`, and EtcdFailure. */
export async function resealStore({ store }: Pick<Config, "store">): Promise<Resealed> {
  if (store.kind !== "etcd") {
    const message = "STORE=files: only with STORE=etcd values are sealed";
    throw new GatewrightError("config_invalid", message, {
      details: [{ code: "invalid_value", field: "STORE", message }],
    });
  }
  const { client, sealer } = await openEtcd(store);
  try {
    return await reseal(client, sealer, store.prefix);
  } finally {
    await client.close();
  }
}
