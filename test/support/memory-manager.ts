import { hash } from "node:crypto";
import { GatewrightError, type Problem } from "../../src/errors.ts";
import type { IngressManager, JsonValue, Lookup, Readiness } from "../../src/manager/ingress-manager.ts";
import { mergePatch } from "../../src/manager/merge-patch.ts";
import type { CreateIngressRequest, Ingress, IngressRule, SetAsideIngress } from "../../src/model/api.ts";
import { ClaimIndex } from "../../src/model/claims/claim-index.ts";
import { makeId } from "../../src/model/id.ts";
import type { InstanceResolver } from "../../src/resolver/instance-resolver.ts";
import {
  claimProblems,
  normalizeRules,
  refusal,
  semanticProblems,
  tlsProblems,
} from "../../src/validation/ingress.ts";
import { parseBody } from "../../src/validation/schema.ts";

const ports = { httpPort: 80, httpsPort: 443 };
const tlsSettings = { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] };

/** Ingresses in memory, validated as the real manager validates them; served by nobody. */
export class MemoryManager implements IngressManager {
  /** Thrown by the next call of a write, then forgotten. */
  nextFailure: unknown;
  readiness: Readiness = { ready: true, reasons: [] };
  readonly #ingresses = new Map<string, Ingress>();
  readonly #claims = new ClaimIndex();
  readonly #resolver: InstanceResolver;

  constructor(resolver: InstanceResolver) {
    this.#resolver = resolver;
  }

  /** Puts ingresses there as they are, for tests of many. */
  seed(ingresses: Iterable<Ingress>): void {
    for (const ingress of ingresses) this.#ingresses.set(ingress.id, ingress);
  }

  async create(request: CreateIngressRequest): Promise<Ingress> {
    const now = new Date().toISOString();
    return this.#put(request, await this.#reference(request), { id: makeId(), created_at: now });
  }

  async replace(id: string, request: CreateIngressRequest, ifMatch?: string): Promise<Ingress> {
    const rules = await this.#reference(request);
    return this.#put(request, rules, this.#present(id, ifMatch));
  }

  async patch(id: string, patch: JsonValue, ifMatch?: string): Promise<Ingress> {
    const { name, tags, rules } = this.#present(id, ifMatch);
    const form = JSON.parse(JSON.stringify({ name, tags, rules })) as JsonValue;
    return this.replace(id, parseBody("CreateIngressRequest", mergePatch(form, patch)), ifMatch);
  }

  async delete(id: string, ifMatch?: string): Promise<void> {
    this.#failIfAsked();
    this.#claims.remove(this.#present(id, ifMatch));
    this.#ingresses.delete(id);
  }

  get(id: string): Ingress | undefined {
    return this.#ingresses.get(id);
  }

  lookup(reference: string): Lookup {
    const all = [...this.#ingresses.values()];
    const named = all.filter((ingress) => ingress.name === reference);
    const prefixed = all.filter((ingress) => reference !== "" && ingress.id.startsWith(reference));
    const exact = this.#ingresses.get(reference);
    const matches = exact !== undefined ? [exact] : named.length > 0 ? named : prefixed;
    const [ingress] = matches;
    if (ingress === undefined) return { kind: "unknown" };
    return matches.length > 1 ? { kind: "ambiguous" } : { kind: "found", ingress };
  }

  list(): Iterable<Ingress> {
    return [...this.#ingresses.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  setAside(): readonly SetAsideIngress[] {
    return [];
  }

  etag(ingress: Ingress | SetAsideIngress): string {
    return hash("sha256", JSON.stringify(ingress)).slice(0, 16);
  }

  ready(): Readiness {
    return this.readiness;
  }

  #put(
    request: CreateIngressRequest,
    rules: readonly IngressRule[],
    base: Pick<Ingress, "id" | "created_at">,
  ): Ingress {
    this.#failIfAsked();
    const taken = [...this.#ingresses.values()].some(
      ({ id, name }) => name === request.name && id !== base.id,
    );
    const name: Problem[] = taken
      ? [{ code: "already_exists", message: `ingress with name "${request.name}" already exists` }]
      : [];
    const problems = [...name, ...claimProblems(this.#claims.conflicts(rules, base.id))];
    if (problems.length > 0) throw refusal(problems);
    const tags = Object.keys(request.tags ?? {}).length > 0 ? { tags: request.tags ?? {} } : {};
    const { id, created_at } = base;
    const ingress = {
      id,
      name: request.name,
      ...tags,
      rules,
      created_at,
      updated_at: new Date().toISOString(),
    };
    const before = this.#ingresses.get(id);
    if (before !== undefined) this.#claims.remove(before);
    this.#claims.add(ingress);
    this.#ingresses.set(id, ingress);
    return ingress;
  }

  /** The rules with canonical instance names. Throws with every problem of the document by itself. */
  async #reference(request: CreateIngressRequest): Promise<readonly IngressRule[]> {
    const semantic = semanticProblems(request);
    if (semantic.length > 0) throw refusal(semantic);
    const rules = normalizeRules(request, ports);
    const problems = [...tlsProblems(rules, tlsSettings)];
    const referenced: IngressRule[] = [];
    for (const [index, rule] of rules.entries()) {
      const { instance = "{" } = rule.target ?? {};
      const found = instance.includes("{") ? undefined : await this.#resolver.reference(instance);
      if (found?.kind === "found") {
        referenced.push({ ...rule, target: { port: 0, ...rule.target, instance: found.instance.name } });
        continue;
      }
      referenced.push(rule);
      if (found === undefined) continue;
      const message = `target instance not found: instance "${instance}" not found`;
      problems.push({ code: "instance_not_found", message, field: `rules[${index}].target.instance` });
    }
    if (problems.length > 0) throw refusal(problems);
    return referenced;
  }

  #present(id: string, ifMatch: string | undefined): Ingress {
    const present = this.#ingresses.get(id);
    if (present === undefined) throw new GatewrightError("not_found", "resource not found");
    if (ifMatch === undefined || ifMatch === this.etag(present)) return present;
    throw new GatewrightError("precondition_failed", "the ingress was changed meanwhile");
  }

  #failIfAsked(): void {
    const failure = this.nextFailure;
    this.nextFailure = undefined;
    if (failure !== undefined) throw failure;
  }
}
