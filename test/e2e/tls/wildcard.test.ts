import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, rule } from "../../support/api.ts";

const { world, gatewright, backend, handshake, visitSecurely } = useTlsSite((made) => ({
  ...made.dnsChallenge,
  TLS_PREFER_WILDCARD: "true",
}));

const COUNT = 10_000;
/** Few changes a batch are many batches. */
const CLIENTS = 100;

/** Creates `app-0` to `app-9999`, several at a time over kept connections, and returns the answers other than 201. */
async function createAll(): Promise<readonly string[]> {
  const failed: string[] = [];
  let next = 0;
  const client = async () => {
    for (let number = next++; number < COUNT; number = next++) {
      const rules = [rule(`app-${number}.example.test`, "web-1", backend.port, {}, { tls: true })];
      const answer = await fetch(`${gatewright.url}/ingresses`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: `app-${number}`, rules }),
      });
      const text = await answer.text();
      if (answer.status !== 201) failed.push(text);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return failed;
}

describe("hostnames under an allowed wildcard", () => {
  it("cost one order, ten thousand of them", async () => {
    expect(await createAll()).toEqual([]);
    for (const host of ["app-0.example.test", `app-${COUNT - 1}.example.test`]) {
      const shown = await eventually(() => handshake(host));
      expect(shown.names).toBe("DNS:*.example.test");
      expect((await visitSecurely(host)).status).toBe(200);
    }
    const { body } = await call<Certificate[]>(`${gatewright.url}/certificates`);
    expect(body.map(({ id, used_by }) => [id, used_by])).toEqual([["*.example.test", COUNT]]);
    expect([world.pebble.orders(), world.cloudflare.created()]).toEqual([1, 1]);
  }, 120_000);
});
