import { describe, expect, it } from "vitest";
import type { Ingress, IngressMatch, IngressRule } from "../../../src/model/api.ts";
import { ClaimIndex } from "../../../src/model/claims/claim-index.ts";

type Rule = Partial<Omit<IngressRule, "match">> & { readonly match?: Partial<IngressMatch> };

/** Counts how often a rule or the ingress of a claim is looked at, which a search would do for each pair of rules. */
class Steps {
  taken = 0;

  of<T extends object>(value: T): T {
    return new Proxy(value, {
      get: (target, key) => {
        this.taken++;
        return Reflect.get(target, key) as unknown;
      },
    });
  }
}

const secure = { tls: true, redirect_http: true } as const;
const number = 4_000;

describe("C2: the claims of one document of 4,000 rules are found in a number of steps that grows with them", () => {
  it.each<[string, (index: number) => Rule]>([
    ["values of a header", (index) => ({ match: { headers: { "X-Tenant": `${index}` } } })],
    [
      "values of a header beside one that repeats",
      (index) => ({ match: { headers: { A: `${index}`, B: `${index % 7}` } } }),
    ],
    [
      "values of a header beside one of twenty others",
      (index) => ({ match: { headers: { A: `${index}`, [`B${index % 20}`]: "1" } } }),
    ],
    ["names of headers", (index) => ({ match: { headers: { A: `${index}`, [`B${index}`]: "1" } } })],
    ["methods", (index) => ({ match: { methods: [`M${index}`] } })],
    ["several methods", (index) => ({ match: { methods: [`M${index}`, `N${index}`, `O${index}`] } })],
    [
      "methods and headers",
      (index) => ({
        match: { methods: [`M${index % 50}`], headers: { A: `${index}`, [`B${index % 3}`]: "1" } },
      }),
    ],
    [
      "paths that redirect",
      (index) => ({ match: { port: 443, path: { type: "exact", value: `/${index}` } }, ...secure }),
    ],
    [
      "names of TLS clients",
      (index) => ({ match: { protocol: "tls", port: 443, hostname: `${index}.test` } }),
    ],
    ["equal rules", () => ({})],
  ])("%s", (_what, ruleOf) => {
    const steps = new Steps();
    const rules = Array.from({ length: number }, (_, index) => {
      const { match, ...rest } = ruleOf(index);
      const rule: IngressRule = {
        match: { hostname: "a.test", port: 80, ...match },
        target: { instance: "web-1", port: 8080 },
        tls: false,
        redirect_http: false,
        ...rest,
      };
      return steps.of(rule);
    });
    const times = { created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" };
    const ingress = steps.of<Ingress>({ id: "one", name: "one", rules, ...times });
    const claims = new ClaimIndex();
    // What conflicts is refused, and never held.
    if (claims.conflicts(rules).length === 0) {
      claims.add(ingress);
      expect(claims.conflicts(rules, "one")).toEqual([]);
      claims.remove(ingress);
    }
    expect(steps.taken / number).toBeLessThan(700);
    expect(claims.conflicts(rules.slice(0, 1))).toEqual([]);
  });
});
