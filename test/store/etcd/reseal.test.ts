import { expect, it } from "vitest";
import { reseal } from "../../../src/store/etcd/reseal.ts";
import { Sealer } from "../../../src/store/etcd/sealer.ts";
import { startEtcd } from "../../support/etcd.ts";
import { etcdSet, etcdStore } from "../../support/etcd-store.ts";
import { CliHome } from "../../support/run-cli.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";
import { note } from "../document-store.contract.ts";

const etcd = use(() => startEtcd());
const folder = use(temporaryFolder);
const [old, fresh] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString("base64")) as [string, string];
const PREFIX = "/gatewright/";

const stored = async () => {
  const { kvs } = await etcd.call("/v3/kv/range", { key: btoa(PREFIX), range_end: btoa("/gatewright0") });
  return kvs.map(({ key, value }: { key: string; value: string }) => [
    atob(key),
    Buffer.from(value, "base64"),
  ]) as [string, Buffer][];
};

it("what an older key has sealed is sealed with the first one, while gateways commit, and opens without the older", async () => {
  const { endpoints } = etcd;
  const both = { endpoints, keys: [old, fresh] };
  const store = etcdStore({ ...both, folder: folder.path });
  await store.open();
  for (let number = 0; number < 300; number += 1)
    await store.commit({ expected: number, puts: [note(`n${number}`)], deletes: [] });
  // More than one transaction takes, so that there are parts.
  const many = Array.from({ length: 200 }, (_, number) => note(`many-${number}`));
  await store.commit({ expected: 300, puts: many, deletes: [] });
  const place = "caddy/data/certificates/a.key";
  const value = new Sealer([old]).seal(place, "a private key").toString("base64");
  await etcd.call("/v3/kv/put", { key: btoa(PREFIX + place), value });
  const { client } = etcdSet({ endpoints, keys: [fresh, old] });
  try {
    const sealer = new Sealer([fresh, old]);
    let [revision, over] = [301, false];
    const changing = (async () => {
      while (!over) {
        revision = await store.commit({ expected: revision, puts: [note("busy")], deletes: [] });
      }
    })();
    const told = await reseal(client, sealer, PREFIX);
    over = true;
    await changing;
    expect(told.problems).toEqual([]);
    // Documents of the large commit may be on their way to their places.
    expect(told.sealed).toBeGreaterThan(300);
    // What was written meanwhile by a gateway that seals with the older one still.
    await store.end();
    expect((await reseal(client, sealer, PREFIX)).problems).toEqual([]);
    expect(await reseal(client, sealer, PREFIX)).toMatchObject({ sealed: 0, problems: [] });
    const isCurrent = (sealed: Buffer) => new Sealer([fresh]).isCurrent(sealed);
    const left = (await stored()).filter(
      ([key, sealed]) => sealed.subarray(0, 3).toString() === "GW1" && !isCurrent(sealed) && key !== "",
    );
    expect(left.map(([key]) => key)).toEqual([]);
    // A gateway that knows the new key alone starts from etcd, and one that was there before goes on.
    const later = etcdStore({ endpoints, keys: [fresh], folder: `${folder.path}/later` });
    const { documents } = await later.open();
    expect(documents).toHaveLength(501);
    const again = etcdStore({ endpoints, keys: [fresh], folder: folder.path });
    expect((await again.open()).documents).toHaveLength(501);
    expect(await again.commit({ expected: revision, puts: [note("after")], deletes: [] })).toBe(revision + 1);
    await until(() => later.others.take().length > 0);
    await Promise.all([later.end(), again.end()]);
  } finally {
    await client.close();
  }
});

it("what no key opens is told, and left as it is", async () => {
  const place = "caddy/data/certificates/b.key";
  const sealed = new Sealer([Buffer.alloc(32, 9).toString("base64")]).seal(place, "b");
  await etcd.call("/v3/kv/put", { key: btoa(PREFIX + place), value: sealed.toString("base64") });
  const { client } = etcdSet({ endpoints: etcd.endpoints });
  try {
    const { problems } = await reseal(client, new Sealer([fresh, old]), PREFIX);
    expect(problems).toEqual([
      expect.stringMatching(/caddy\/data\/certificates\/b\.key.*STORE_KEY has no key/),
    ]);
    expect((await stored()).find(([key]) => key === PREFIX + place)?.[1].equals(sealed)).toBe(true);
  } finally {
    await client.close();
  }
});

it("is a command, for a machine with the settings of a gateway", async () => {
  const settings = {
    STORE: "etcd",
    ETCD_ENDPOINTS: etcd.endpoints.join(),
    ETCD_PREFIX: "/elsewhere/",
    GATEWAY_NAME: "one",
    STORE_KEY: `${fresh},${old}`,
  };
  const place = "caddy/data/certificates/a.key";
  const value = new Sealer([old]).seal(place, "a").toString("base64");
  await etcd.call("/v3/kv/put", { key: btoa(`/elsewhere/${place}`), value });
  using home = new CliHome(settings);
  const done = await home.run(["store", "reseal"]);
  expect([done.code, done.stderr]).toEqual([0, expect.stringContaining("1 values were sealed anew; 1 are")]);
  using alone = new CliHome({ ...settings, STORE_KEY: old });
  const lacking = await alone.run(["store", "reseal"]);
  expect([lacking.code, lacking.stderr]).toEqual([1, expect.stringContaining("STORE_KEY has no key")]);
  using files = new CliHome({});
  const without = await files.run(["store", "reseal"]);
  expect([without.code, without.stderr]).toEqual([2, expect.stringContaining("STORE=files")]);
});
