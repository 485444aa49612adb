import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { type HttpCall, type HttpReply, httpCall } from "../support/http-call.ts";
import { signToken } from "../support/sign-token.ts";
import { undocumented } from "./documented.ts";

/** A Gatewright that runs, with its embedded registry as the source of instances. */
export interface ContractTarget {
  readonly url: string;
  /** What its tokens are signed with (JWT_SECRET). */
  readonly secret: string;
}

/** An ingress as it is answered. */
export interface IngressBody {
  readonly id: string;
  readonly name: string;
  readonly rules: readonly {
    readonly match: { readonly hostname: string; readonly port: number };
    readonly target: { readonly instance: string };
  }[];
  readonly [key: string]: unknown;
}

/** What the parts of the contract share: a target, and names of this run's own. */
export class ContractRun {
  /** Part of every name that the run makes. */
  readonly id = `c${randomBytes(4).toString("hex")}`;
  /** An instance that exists, with the id `id-<run>`. */
  readonly vm = `vm-${this.id}`;
  #target: ContractTarget | undefined;

  get target(): ContractTarget {
    if (this.#target === undefined) throw new Error("the target has not been started");
    return this.#target;
  }

  /** Takes the target and makes the instance. */
  async begin(target: ContractTarget): Promise<void> {
    this.#target = target;
    const json = { id: `id-${this.id}`, network: { ip: "10.0.0.5" } };
    const put = await this.call({ method: "PUT", path: `/instances/${this.vm}`, json });
    expect(put.status, put.text).toBe(201);
  }

  /** Sends a request with full access, and holds the answer to the document. */
  async call(request: HttpCall): Promise<HttpReply> {
    const headers = { Authorization: `Bearer ${signToken(this.target.secret)}`, ...request.headers };
    const reply = await httpCall(this.target.url, { ...request, headers });
    expect(undocumented(request.method ?? "GET", request.path, reply)).toBeUndefined();
    return reply;
  }

  /** A host below the run's own domain. */
  host(name: string): string {
    return `${name}.${this.id}.example.com`;
  }

  /** A document with one rule. */
  ingress(name: string, hostname: string, more: object = {}): object {
    return {
      name: `${this.id}-${name}`,
      rules: [{ match: { hostname }, target: { instance: this.vm, port: 8080 } }],
      ...more,
    };
  }

  /** Creates an ingress. */
  async create(name: string, hostname: string, more: object = {}): Promise<IngressBody> {
    const reply = await this.call({
      method: "POST",
      path: "/ingresses",
      json: this.ingress(name, hostname, more),
    });
    expect(reply.status, reply.text).toBe(201);
    return reply.json<IngressBody>();
  }

  /** Every ingress of the target. */
  async list(): Promise<readonly IngressBody[]> {
    return (await this.call({ path: "/ingresses" })).json<readonly IngressBody[]>();
  }
}
