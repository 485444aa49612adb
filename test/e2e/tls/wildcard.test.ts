import { describe, expect, it } from "vitest";
import type { Certificate } from "../../../src/model/api.ts";
import { eventually } from "../../support/acme/handshake.ts";
import { useTlsSite } from "../../support/acme/use-tls-site.ts";
import { call, createIngress, rule } from "../../support/api.ts";

const { world, gatewright, backend, handshake, visitSecurely } = useTlsSite((made) => ({
  ...made.dnsChallenge,
  TLS_PREFER_WILDCARD: "true",
}));

const COUNT = 10_000;
const CLIENTS = 16;

/** Creates `app-0` to `app-9999`, several at a time, and returns the answers other than 201. */
async function createAll(): Promise<readonly unknown[]> {
  const failed: unknown[] = [];
  let next = 0;
  const client = async () => {
    for (let number = next++; number < COUNT; number = next++) {
      const { status, body } = await createIngress({
        url: gatewright.url,
        name: `app-${number}`,
        rules: [rule(`app-${number}.example.test`, "web-1", backend.port, {}, { tls: true })],
      });
      if (status !== 201) failed.push(body);
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
