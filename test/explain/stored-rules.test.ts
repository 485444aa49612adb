import { describe, expect, it } from "vitest";
import { rulesOfHost } from "../../src/explain/stored-rules.ts";
import type { Ingress } from "../../src/model/api.ts";

const ingress = (name: string, ...hostnames: readonly string[]): Ingress => ({
  id: name,
  name,
  created_at: "",
  updated_at: "",
  rules: hostnames.map((hostname) => ({
    match: { hostname, port: 80 },
    target: { instance: "web", port: 80 },
    tls: false,
    redirect_http: false,
  })),
});

const found = async (host: string, ...ingresses: readonly Ingress[]) => {
  const { rules, nearest } = await rulesOfHost(ingresses, host);
  return [rules.map((rule) => `${rule.ingress.name}/${rule.index}`), nearest];
};

describe("rules of a host in the store", () => {
  it("are those whose hostname takes it", async () => {
    const all = [
      ingress("a", "a.test", "x.a.test"),
      ingress("b", "{x}.a.test", "*.a.test"),
      ingress("c", "*"),
      ingress("d", "*.*.test", ""),
    ];
    expect(await found("x.a.test", ...all)).toEqual([["a/1", "b/0", "b/1", "c/0", "d/0"], []]);
    expect(await found("a.test", ...all)).toEqual([["a/0", "c/0"], []]);
  });

  it("where there are none, are told by the nearest names, whatever slice they are in", async () => {
    const others = Array.from({ length: 1_200 }, (_, index) =>
      ingress(`o${index}`, `quite-other-${index}.example`),
    );
    const all = [ingress("one", "payments.test"), ...others, ingress("two", "payment.test")];
    expect(await found("paymentz.test", ...all)).toEqual([[], ["payments.test", "payment.test"]]);
    expect(await found("nothing-like-it.invalid", ...all)).toEqual([[], []]);
  });
});
