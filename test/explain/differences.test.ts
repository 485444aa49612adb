import { describe, expect, it } from "vitest";
import type { ExplainQuestion, RehearsedRequest } from "../../src/caddy/caddy-api.ts";
import { GatewrightError } from "../../src/errors.ts";
import { differencesOf, type Stored } from "../../src/explain/differences.ts";
import type { WantedView } from "../../src/manager/views.ts";
import type { Ingress, SetAsideIngress } from "../../src/model/api.ts";

const asked: ExplainQuestion = {
  network: "http",
  port: 80,
  tls: false,
  server_name: "",
  host: "Shop.test:80",
  target: "/",
  method: "GET",
  headers: {},
  connect: false,
};
const told: RehearsedRequest = { table: "t1", served: true, considered: [], steps: [] };
const row = { id: "i1/0", ingress: "shop", policy_set: "p1" };
const ingress: Ingress = {
  id: "i1",
  name: "shop",
  created_at: "",
  updated_at: "",
  rules: [
    {
      match: { hostname: "shop.test", port: 80 },
      target: { instance: "web", port: 80 },
      tls: false,
      redirect_http: false,
    },
  ],
};
const wanted: WantedView = {
  rowsOf: ({ id }) => [
    { row: { id: `${id}/0`, ingress: "shop", port: 80, host: "shop.test", policy: "p1" } },
  ],
  policiesOfHandlers: () => [],
  tableVersion: () => "t1",
  leftOut: () => new Map(),
};
const stored: Stored = { taker: ingress, rules: [], setAside: [], tables: ["t1", "t1"] };
const nothing: WantedView = { ...wanted, rowsOf: () => [] };
const aside: SetAsideIngress = {
  id: "i9",
  reason: "conflict",
  hostnames: ["shop.test"],
  ports: [],
  problems: [{ code: "hostname_in_use", message: "shop has it" }],
} as unknown as SetAsideIngress;

const codes = (...given: Parameters<typeof differencesOf>) => differencesOf(...given).map(({ code }) => code);

describe("differences between what runs and what is stored", () => {
  it("are none where all is well", () => expect(codes(asked, { ...told, row }, stored, wanted)).toEqual([]));

  it.each<[string, RehearsedRequest, Partial<Stored>, WantedView]>([
    ["table_differs", { ...told, row, table: "other" }, {}, wanted],
    ["row_of_no_ingress", { ...told, row }, { taker: undefined }, wanted],
    ["row_of_no_ingress", { ...told, row }, {}, nothing],
    ["policy_set_differs", { ...told, row: { ...row, policy_set: "p2" } }, {}, wanted],
    [
      "port_not_served",
      told,
      { taker: undefined },
      { ...wanted, leftOut: () => new Map([[80, new GatewrightError("port_in_use", "taken")]]) },
    ],
    ["not_programmed", told, { rules: [{ ingress, index: 0 }] }, nothing],
    ["other_gateway", told, { rules: [{ ingress: { ...ingress, gateways: ["far"] }, index: 0 }] }, nothing],
    ["set_aside", told, { setAside: [aside] }, wanted],
  ])("%s", (code, answer, more, view) =>
    expect(codes(asked, answer, { ...stored, ...more }, view)).toEqual([code]),
  );

  it("name rules of other ports, and not those that Caddy has asked", () => {
    const rules = [{ ingress, index: 0 }];
    expect(codes({ ...asked, port: 81 }, told, { ...stored, rules }, wanted)).toEqual(["other_port"]);
    const considered = [{ id: "i1/0", ingress: "shop", host: "shop.test", why: "path" as const }];
    expect(codes(asked, { ...told, considered }, { ...stored, rules }, nothing)).toEqual([]);
  });
});
