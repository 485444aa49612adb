import { expect, it } from "vitest";
import { unreadableClaims } from "../../src/manager/unreadable-claims.ts";

const rule = (match: object, more: object = {}) => ({
  match,
  target: { instance: "web-1", port: 8080 },
  ...more,
});
/** An ingress file, cut off where a crash of the machine may have ended it. */
const file = (...rules: readonly object[]): string =>
  JSON.stringify({ id: "a", name: "shop", rules }, null, 2).slice(0, -3);

it.each<[string, string, ReturnType<typeof unreadableClaims>]>([
  ["nothing", "", { hostnames: [], ports: [] }],
  ["no ingress", '{"spoilt": "hostname", "port": 80', { hostnames: [], ports: [] }],
  [
    "hostnames, each once",
    file(rule({ hostname: "a.test", port: 80 }), rule({ hostname: "b.test" }), rule({ hostname: "a.test" })),
    { name: "shop", hostnames: ["a.test", "b.test"], ports: [] },
  ],
  [
    "ports of layer 4, not those of their targets",
    file(rule({ protocol: "tcp", port: 5432 }), rule({ port: 53, protocol: "udp" })),
    { name: "shop", hostnames: [], ports: ["5432/tcp", "53/udp"] },
  ],
  [
    "the name of a rule of layer 4 that is told by it",
    file(rule({ protocol: "tls", hostname: "t.test", port: 443 })),
    { name: "shop", hostnames: ["t.test"], ports: [] },
  ],
  [
    "the name of a rule whose TLS is ended here",
    file(rule({ protocol: "tcp", hostname: "db.test", port: 5432 }, { tls: true })),
    { name: "shop", hostnames: ["db.test"], ports: [] },
  ],
  [
    "text without spaces",
    '"name":"x","match":{"protocol":"udp","port":53',
    { name: "x", hostnames: [], ports: ["53/udp"] },
  ],
  [
    "spaces before colons",
    '"name" : "x", "match" : {"hostname" : "s.test"',
    { name: "x", hostnames: ["s.test"], ports: [] },
  ],
  [
    "spaces in rules of layer 4",
    '"match" : {"protocol" : "tcp", "port" : 25',
    { hostnames: [], ports: ["25/tcp"] },
  ],
  [
    "spaces before TLS",
    '"match":{"protocol":"tcp","port":25,"hostname":"m.test"},"tls" : true',
    { hostnames: ["m.test"], ports: [] },
  ],
  [
    "a port that is none",
    '"match":{"protocol":"tcp","port":123456,"hostname":"m.test"}',
    { hostnames: ["m.test"], ports: [] },
  ],
  ["a hostname with quotes", '"hostname":"a\\"b"', { hostnames: ['a\\"b'], ports: [] }],
  ["a hostname that nobody ends", `"hostname":"${"a".repeat(301)}"`, { hostnames: [], ports: [] }],
  ["a name that is too long", `"name":"${"a".repeat(256)}"`, { hostnames: [], ports: [] }],
])("finds in %s what it would claim", (_, text, claims) => {
  expect(unreadableClaims(text)).toEqual(claims);
});

it("looks for 1,000 hostnames at the most", () => {
  const text = Array.from({ length: 1_001 }, (_, index) => `"hostname":"h${index}.test"`).join();
  expect(unreadableClaims(text).hostnames).toHaveLength(1_000);
});
