import { expect, it } from "vitest";
import { moduleProblems, storedModuleProblems } from "../../src/manager/module-problems.ts";
import { compilerSettings } from "../support/compiler-settings.ts";
import { ingressOf, ruleOf } from "../support/sketch.ts";

const rules = [
  ruleOf({ hostname: "a.test" }),
  undefined,
  ruleOf({ hostname: "b.test" }, { policies: { rate_limit: { requests_per_second: 1 } } }),
  ruleOf({ protocol: "tcp", port: 25 }),
];
const fieldsLacking = (modules?: readonly string[]): readonly (string | undefined)[] =>
  moduleProblems(rules, compilerSettings(modules === undefined ? {} : { modules })).map(({ field }) => field);
const limit = ["http.handlers.gatewright_limit_key", "http.handlers.rate_limit"];

it("names the policies and protocols that the running Caddy has no module for", () => {
  const all = moduleProblems(rules, compilerSettings({ modules: [] }));
  expect(all).toMatchObject([
    { code: "module_missing", field: "rules[2].policies.rate_limit" },
    { code: "module_missing", field: "rules[3].match.protocol" },
  ]);
  const [policy, protocol] = all.map(({ message }) => message);
  expect(policy).toMatch(
    /^policies.rate_limit in rule 2 needs the Caddy module http.handlers.gatewright_limit_key and http.handlers.rate_limit, which CADDY_BIN lacks; .*leave the policy out$/,
  );
  expect(protocol).toMatch(
    /^match.protocol in rule 3 needs the Caddy module gatewright_layer4, which CADDY_BIN lacks; .*unset CADDY_BIN$/,
  );
});

it("names nothing where Caddy has them, or has all", () => {
  expect(fieldsLacking()).toEqual([]);
  expect(fieldsLacking(["gatewright_layer4"])).toEqual(["rules[2].policies.rate_limit"]);
  expect(fieldsLacking(limit)).toEqual(["rules[3].match.protocol"]);
  expect(fieldsLacking([...limit, "gatewright_layer4"])).toEqual([]);
});

it("says which stored ingresses are closed", () => {
  const stored = [ingressOf("open"), ingressOf("mail", { rules: [ruleOf({ protocol: "tcp", port: 25 })] })];
  expect(storedModuleProblems(stored, compilerSettings({ modules: [] }))).toEqual([
    expect.stringMatching(/^ingress mail is closed: match.protocol in rule 0 needs/),
  ]);
  expect(storedModuleProblems(stored, compilerSettings())).toEqual([]);
});
