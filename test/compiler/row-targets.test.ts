import { expect, it } from "vitest";
import { hstsHandlers } from "../../src/compiler/hsts.ts";
import { rowTargets } from "../../src/compiler/row-targets.ts";
import type { IngressRule, IngressTarget } from "../../src/model/api.ts";

const rule = (more: Partial<IngressRule>): IngressRule => ({
  match: { hostname: "a.test", port: 80 },
  target: { instance: "web-1", port: 80 },
  tls: false,
  redirect_http: false,
  ...more,
});
const targetOf = (more: Partial<IngressTarget>) => rowTargets(rule({ target: { port: 80, ...more } }))[0];

it.each<[string, Partial<IngressTarget>, object]>([
  ["nothing that is the default", { instance: "a", mode: "active" }, { instance: "a", port: 80 }],
  ["a weight, 0 too", { instance: "a", weight: 0 }, { instance: "a", port: 80, weight: 0 }],
  ["a mode", { instance: "a", mode: "drain" }, { instance: "a", port: 80, mode: "drain" }],
  [
    "how long a pause lasts",
    { instance: "a", mode: "pause", pause_timeout: "2s" },
    { instance: "a", port: 80, mode: "pause", pause_ms: 2_000 },
  ],
  ["no time of a pause without one", { instance: "a", pause_timeout: "2s" }, { instance: "a", port: 80 }],
  [
    "a time to wake",
    { instance: "a", wake: true, wake_timeout: "3s" },
    { instance: "a", port: 80, wake_ms: 3_000 },
  ],
  ["a service", { service: "s" }, { service: "s", port: 80 }],
  ["an address", { address: "10.0.0.1" }, { address: "10.0.0.1", port: 80 }],
])("a target has %s", (_, target, expected) => {
  expect(targetOf(target)).toEqual(expected);
});

it.each([
  [{}, "max-age=31536000"],
  [{ max_age_seconds: 5, include_subdomains: true }, "max-age=5; includeSubDomains"],
  [{ preload: true }, "max-age=31536000; preload"],
  [{ preload: false, include_subdomains: false }, "max-age=31536000"],
])("HSTS %j is sent as %s", (hsts, value) => {
  const [handler] = hstsHandlers(rule({ tls: true, tls_options: { hsts } }));
  expect(handler?.response.set["Strict-Transport-Security"]).toEqual([value]);
  expect(hstsHandlers(rule({ tls_options: { hsts } }))).toEqual([]);
  expect(hstsHandlers(rule({ tls: true }))).toEqual([]);
});
