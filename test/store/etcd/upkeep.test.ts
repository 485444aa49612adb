import { describe, expect, it } from "vitest";
import { EtcdClient } from "../../../src/store/etcd/client.ts";
import { problemsOf, Upkeep } from "../../../src/store/etcd/upkeep.ts";
import { startEtcd } from "../../support/etcd.ts";

const MIB = 1024 * 1024;
const member = { endpoint: "http://a:2379", size: 90 * MIB, used: 85 * MIB, quota: 100 * MIB, alarms: [] };

describe("the room of a member", () => {
  it("is no problem while there is enough, or its quota is not told", () => {
    expect(problemsOf({ ...member, size: 79 * MIB })).toEqual([]);
    const { quota: _, ...older } = member;
    expect(problemsOf(older)).toEqual([]);
  });

  it("is told before it ends, with what helps", () => {
    expect(problemsOf(member)).toEqual([expect.stringMatching(/90 % \(90 MiB of 100 MiB\).*compacted/)]);
    expect(problemsOf({ ...member, used: 10 * MIB })).toEqual([
      expect.stringMatching(/defragment it, which frees 80 MiB/),
    ]);
    expect(problemsOf({ ...member, alarms: ["memberID:1 alarm:NOSPACE "] })).toEqual([
      expect.stringMatching(/takes no changes.*alarm disarm/),
    ]);
    expect(problemsOf({ ...member, size: 1, alarms: ["memberID:1 alarm:CORRUPT "] })).toEqual([
      expect.stringContaining("CORRUPT"),
    ]);
  });
});

it("etcd is asked for it, and its alarm when its quota is full is told", async () => {
  await using etcd = await startEtcd({ args: ["--quota-backend-bytes=4194304"] });
  const client = new EtcdClient({ endpoints: [...etcd.endpoints, "http://127.0.0.1:1"], timeoutMs: 1000 });
  const upkeep = new Upkeep({ client });
  try {
    await upkeep.look();
    expect(upkeep.room).toHaveLength(1);
    expect(upkeep.room[0]).toMatchObject({ endpoint: etcd.endpoints[0], quota: 4_194_304, alarms: [] });
    expect(upkeep.room[0]?.size).toBeGreaterThan(0);
    expect(upkeep.problems()).toEqual([]);
    const put = { kind: "put", key: "/full", value: "x".repeat(512 * 1024) } as const;
    const fill = async () => {
      for (let count = 0; count < 32; count += 1) await client.transact({ compare: [], success: [put] });
    };
    await expect(fill()).rejects.toThrow(/space/);
    await upkeep.look();
    expect(upkeep.problems()[0]).toContain("quota is full");
  } finally {
    upkeep.close();
    await client.close();
  }
});
