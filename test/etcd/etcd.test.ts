import { expect, it } from "vitest";
import { createTestAuthority } from "../support/acme/test-authority.ts";
import { type Etcd, startEtcd } from "../support/etcd.ts";
import { until } from "../support/until.ts";

const key = btoa("/gatewright/a");

async function read(etcd: Etcd): Promise<string | undefined> {
  const { kvs } = await etcd.call("/v3/kv/range", { key });
  return kvs === undefined ? undefined : atob(kvs[0].value);
}

it("keeps what was put through SIGKILL, and loses it with its folder", async () => {
  await using etcd = await startEtcd();
  const [member] = etcd.members as [Etcd["members"][0]];
  await etcd.call("/v3/kv/put", { key, value: btoa("1") });
  await member.kill();
  expect(member.pid).toBe(undefined);
  await expect(read(etcd)).rejects.toThrow("no member");
  await member.start();
  expect(await read(etcd)).toBe("1");
  await member.kill("SIGTERM");
  await member.wipe();
  await member.start();
  expect(await read(etcd)).toBe(undefined);
});

it("goes on with two of three members, and asks for certificates and passwords", async () => {
  const authority = await createTestAuthority();
  await using etcd = await startEtcd({ members: 3, authority, auth: true });
  expect(etcd.user).toEqual({ name: "gatewright", password: expect.any(String) });
  await expect(fetch(`${etcd.endpoints[0]}/health`)).rejects.toThrow();
  const [first, second] = etcd.members as [Etcd["members"][0], Etcd["members"][0]];
  await first.kill();
  // It may have been the leader.
  await until(async () => {
    const put = etcd.call("/v3/kv/put", { key, value: btoa("2") });
    return put.then(
      () => true,
      () => false,
    );
  });
  second.pause();
  await first.start().catch(() => undefined);
  await until(async () => (await read(etcd).catch(() => undefined)) === "2");
  second.resume();
  await until(async () => (await etcd.call("/v3/maintenance/status", {}, second)).header !== undefined);
});
