import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { call, rule } from "../../support/api.ts";
import { startEtcd } from "../../support/etcd.ts";
import { storeKey } from "../../support/etcd-store.ts";
import { type Gateway, startGateways } from "../../support/gateways.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { until } from "../../support/until.ts";
import { use } from "../../support/use.ts";

const etcd = use(() => startEtcd({ auth: true }));
const newKey = Buffer.alloc(32, 9).toString("base64");

it("ETCD_PASSWORD and STORE_KEY are replaced while gateways and their Caddys run", async () => {
  await using folder = await temporaryFolder();
  const [password, keys] = [join(folder.path, "password"), join(folder.path, "keys")];
  await writeFile(password, etcd.user?.password ?? "", { mode: 0o600 });
  await writeFile(keys, storeKey, { mode: 0o600 });
  await using started = await startGateways(etcd.endpoints, ["one", "two"], {
    ETCD_USER: etcd.user?.name,
    ETCD_PASSWORD_FILE: password,
    STORE_KEY: "",
    STORE_KEY_FILE: keys,
    TLS_ISSUER: "internal",
  });
  const [one, two] = [...started] as [Gateway, Gateway];
  const pids = () =>
    Promise.all(started.map(async (gateway) => [gateway.process().pid, await gateway.caddyPid()]));
  const before = await pids();
  let made = 0;
  /** A new name at the one is served by the other, with a certificate that stands in etcd. */
  const works = async () => {
    const name = `n${made++}`;
    const rules = [rule(`${name}.test`, "vm", 1, {}, { tls: true })];
    expect((await one.create({ name, rules })).status).toBe(201);
    await until(async () => (await call(`${two.url}/ingresses/${name}`)).status === 200);
    const stored = async () => {
      const key = Buffer.from("/gatewright/caddy/data/certificates/").toString("base64");
      const range_end = Buffer.from("/gatewright/caddy/data/certificates0").toString("base64");
      const { kvs = [] } = await etcd.call("/v3/kv/range", { key, range_end, keys_only: true });
      return (kvs as { key: string }[]).map((kv) => atob(kv.key));
    };
    await until(async () => (await stored()).some((key) => key.endsWith(`${name}.test.crt`)));
    return name;
  };
  /** Has all read the settings again; nobody but the file's watcher is told otherwise. */
  const reload = () => started.map((gateway) => gateway.process().kill("SIGHUP"));
  await works();

  await etcd.call("/v3/auth/user/changepw", { name: etcd.user?.name, password: "another-password" });
  await writeFile(password, "another-password");
  reload();
  await until(() => started.every((gateway) => gateway.output().includes("the settings were read again")));
  await works();

  // The new key opens everywhere before it seals anywhere.
  for (const text of [`${storeKey},${newKey}`, `${newKey},${storeKey}`]) {
    const count = () => started.map((gateway) => gateway.output().split("were read again").length);
    const told = count();
    await writeFile(keys, text);
    reload();
    await until(() => count().every((many, index) => many > (told[index] ?? 0)));
  }
  const idOf = (value = "") => Buffer.from(value, "base64").subarray(3, 11).toString("hex");
  /** Which key has sealed the certificate of a name. */
  const keyOf = async (name: string) => {
    const key = Buffer.from("/gatewright/").toString("base64");
    const range_end = Buffer.from("/gatewright0").toString("base64");
    const { kvs } = await etcd.call("/v3/kv/range", { key, range_end });
    const sealed = (kvs as { key: string; value: string }[]).filter((kv) => atob(kv.value).startsWith("GW1"));
    return idOf(sealed.find((kv) => atob(kv.key).endsWith(`${name}.test.crt`))?.value);
  };
  // A file that has changed is read without a signal too, and that of before may have been told of just now.
  const oldest = await keyOf("n0");
  expect(oldest).not.toBe("");
  await until(async () => (await keyOf(await works())) !== oldest, 30_000);
  expect(await pids()).toEqual(before);
  for (const { output } of started) {
    expect(output()).not.toContain("take a restart");
    for (const secret of ["another-password", storeKey, newKey]) expect(output()).not.toContain(secret);
  }
}, 90_000);
