import { expect } from "vitest";
import type { Ingress } from "../../src/model/api.ts";
import { startApi, type TestApi } from "./http-api.ts";
import type { HttpReply } from "./http-call.ts";
import { signToken } from "./sign-token.ts";

const secret = "secret-of-the-tests-of-limits-0123456789";
export const bearer = (claims: object) => ({
  Authorization: `Bearer ${signToken(secret, claims as { readonly [claim: string]: unknown })}`,
});
export const admin = bearer({ sub: "root" });
export const limits = {
  hostnames: ["*.red.example.com", "red.example.com"],
  instances: ["vm-1"],
};
export const red = bearer({ sub: "red", limits });
export const blue = bearer({ sub: "blue", limits: { hostnames: ["*.blue.example.com"] } });

export const document = (name: string, hostname: string, more: object = {}, target: object = {}) => ({
  name,
  rules: [{ match: { hostname, ...more }, target: { instance: "vm-1", port: 80, ...target } }],
});

/** An API with the instances `vm-1` and `vm-2`. */
export async function world(): Promise<TestApi> {
  const api = await startApi({ secret });
  for (const name of ["vm-1", "vm-2"])
    await api.call({
      method: "PUT",
      path: `/instances/${name}`,
      json: { network: { ip: "10.0.0.1" } },
      headers: admin,
    });
  return api;
}

export function create(api: TestApi, headers: typeof red, json: object): Promise<HttpReply> {
  return api.call({ method: "POST", path: "/ingresses", json, headers });
}

/** The same, and it is made. */
export async function created(api: TestApi, headers: typeof red, json: object): Promise<Ingress> {
  const reply = await create(api, headers, json);
  expect([reply.status, reply.text]).toEqual([201, expect.anything()]);
  return reply.json<Ingress>();
}
