import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { load, problemsOf, type Variables } from "./load.ts";

describe("the store", () => {
  const key = Buffer.alloc(32, 7).toString("base64");
  const etcd = {
    STORE: "etcd",
    ETCD_ENDPOINTS: "http://10.0.0.1:2379/, https://etcd.example.com:2379",
    STORE_KEY: key,
    GATEWAY_NAME: "edge-1",
  };

  test("is files by default", () => {
    expect(load({}).store).toEqual({ kind: "files" });
  });

  test("on etcd has origins, a prefix that ends in a slash, and keys that are not shown", () => {
    const other = Buffer.alloc(32, 251).toString("base64url");
    const config = load({
      ...etcd,
      STORE_KEY: `${key}, ${other}`,
      ETCD_PREFIX: "/edge",
      ETCD_USER: "gw",
      ETCD_PASSWORD: "hidden-1",
      ETCD_CA: "/etc/ca.pem",
    });
    expect(config.store).toMatchObject({
      kind: "etcd",
      endpoints: ["http://10.0.0.1:2379", "https://etcd.example.com:2379"],
      prefix: "/edge/",
      user: "gw",
      ca: "/etc/ca.pem",
    });
    const { store } = config;
    expect(store.kind === "etcd" && store.keys.map((one) => one.reveal())).toEqual([key, other]);
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toMatch(/hidden-1|BwcH|-_v7/);
    expect(config.secrets.map((secret) => secret.reveal())).toEqual(expect.arrayContaining([key, other]));
  });

  test("on etcd needs endpoints, a key and a name, each said at once", () => {
    const fields = problemsOf({ STORE: "etcd", ETCD_USER: "gw", ETCD_CERT: "c.pem" }).map(([field]) => field);
    expect(fields.sort()).toEqual(
      ["ETCD_ENDPOINTS", "ETCD_KEY", "ETCD_PASSWORD", "GATEWAY_NAME", "STORE_KEY"].sort(),
    );
  });

  test.each<[string, Variables]>([
    ["STORE", { STORE: "consul" }],
    ["ETCD_ENDPOINTS", { ETCD_ENDPOINTS: "10.0.0.1:2379" }],
    ["ETCD_ENDPOINTS", { ETCD_ENDPOINTS: "http://10.0.0.1:2379/v3" }],
    ["ETCD_PREFIX", { ETCD_PREFIX: "a b" }],
    ["STORE_KEY", { STORE_KEY: "c2hvcnQ=" }],
    ["STORE_KEY", { STORE_KEY: `${key},not a key` }],
    ["FOLLOW_URL", { FOLLOW_URL: "http://10.0.0.2:8080" }],
  ])("refuses a wrong %s: %j", (field, wrong) => {
    const problems = problemsOf({ ...etcd, ...wrong });
    expect(problems.map(([named]) => named)).toEqual([field]);
    expect(JSON.stringify(problems)).not.toContain("c2hvcnQ");
  });
});

test("settings of the Gatewright that was followed are refused, each with what to do instead, and no secret", () => {
  const wrong = { FOLLOW_URL: "http://10.0.0.2:8080", FOLLOW_TOKEN: "c2VjcmV0", FOLLOW_WRITER: " " };
  const problems = problemsOf(wrong);
  expect(problems.map(([field]) => field)).toEqual(["FOLLOW_URL", "FOLLOW_TOKEN"]);
  for (const [, message] of problems) expect(message).toContain("docs/upgrading.md");
  expect(JSON.stringify(problems)).not.toContain("c2VjcmV0");
});
