import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import type { IngressRuleInput } from "../../../src/model/api.ts";
import { createTestAuthority } from "../../support/acme/test-authority.ts";
import { rule } from "../../support/api.ts";
import { type Seen, startBackend } from "../../support/backend.ts";
import { freePort } from "../../support/free-port.ts";
import { openTlsLines, startLineServer } from "../../support/streams.ts";
import { use } from "../../support/use.ts";
import { useGatewright } from "../../support/use-gatewright.ts";

const clients = 200;
const requestsOfEach = 25;

const authority = use(createTestAuthority);
const backend = use(() => startBackend());
const lines = use(async () => {
  const { certificate, key } = await authority.issue({ names: ["raw.test"] });
  return startLineServer("raw", { tls: { cert: certificate, key } });
});
const gatewright = useGatewright({ TLS_ISSUER: "internal", TLS_ALLOWED_DOMAINS: "*" }, ["web-1"]);

/** One request on a connection of its own; the path that the backend saw. */
async function echo(port: number, path: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n`);
  const answer = await text(socket);
  return (JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as Seen).url;
}

describe("D1: plain HTTP on a port that it shares", () => {
  const neighbours: readonly (readonly [string, () => IngressRuleInput])[] = [
    ["HTTPS", () => rule("secure.test", "web-1", backend.port, {}, { tls: true })],
    ["TLS passthrough", () => rule("raw.test", "web-1", lines.port, { protocol: "tls" })],
  ];
  it.each(neighbours)(
    "with %s: each client gets the answer to its own request",
    async (name, neighbour) => {
      const port = await freePort();
      const [base, plain] = [neighbour(), rule("plain.test", "web-1", backend.port, { port })];
      await gatewright.make(`with-${name.replace(" ", "-").toLowerCase()}`, plain, {
        ...base,
        match: { ...base.match, port },
      });
      const astray: string[] = [];
      await Promise.all(
        Array.from({ length: clients }, async (_, client) => {
          for (let i = 0; i < requestsOfEach; i += 1) {
            const path = `/client-${client}-${i}`;
            const seen = await echo(port, path).catch(String);
            if (seen !== path) astray.push(`${path}: ${seen}`);
          }
        }),
      );
      expect(astray).toEqual([]);
      if (name === "HTTPS") return;
      using raw = await openTlsLines({ port, servername: "raw.test", ca: authority.pem });
      expect(await raw.ask("hello")).toBe("raw hello");
    },
    120_000,
  );
});
