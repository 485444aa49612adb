import { networkInterfaces } from "node:os";
import { type Answer, call } from "./api.ts";
import type { Gatewright } from "./gatewright.ts";
import { signToken } from "./sign-token.ts";

/** What a Gatewright refuses, as far as tests look at it. */
export interface Refusal {
  readonly code: string;
  readonly details?: readonly { readonly code: string; readonly field: string }[];
}

/** JWT_SECRET of a guarded Gatewright, and the header of a caller who has a token. */
export const jwtSecret = "jwt-secret-of-this-test-0123456789abcdef";
export const token = { authorization: `Bearer ${signToken(jwtSecret)}` };

/** Addresses of this machine beside loopback, as a VM could claim them. */
export const interfaceAddresses = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal, scopeid }) => !internal && !scopeid)
  .map(({ address }) => address);

/** Registers an instance, with the token. */
export const inform = (gatewright: Gatewright, name: string, ip: string | null): Promise<Answer> =>
  call(`${gatewright.url}/instances/${name}`, { method: "PUT", body: { network: { ip } }, headers: token });

/** Asks for an ingress, with the token. */
export const create = (gatewright: Gatewright, body: object): Promise<Answer<Refusal>> =>
  call(`${gatewright.url}/ingresses`, { body, headers: token });
