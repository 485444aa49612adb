import { GatewrightError, type Problem } from "../errors.ts";
import type { CreateIngressRequest, Ingress, IngressRule } from "../model/api.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import {
  claimProblems,
  type ListenPorts,
  normalizeSoundRules,
  refusal,
  semanticProblems,
  type TlsSettings,
  tlsProblems,
} from "../validation/ingress.ts";
import { parseBody } from "../validation/schema.ts";
import { type TargetGuard, targetRefusal } from "../validation/target-guard.ts";
import type { Catalog } from "./catalog.ts";
import type { ConfigRenderer } from "./config-renderer.ts";
import type { JsonValue } from "./ingress-manager.ts";

/** What documents are checked against beside each other. */
export interface AdmissionSettings {
  readonly ports: ListenPorts;
  readonly tls: TlsSettings;
  readonly guard: TargetGuard;
}

export interface AdmissionOptions {
  readonly catalog: Catalog;
  readonly renderer: Pick<ConfigRenderer, "leftOut">;
  readonly resolver: InstanceResolver;
  readonly settings: AdmissionSettings;
}

/** Checks ingress documents: by themselves, against the instances, and against each other. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Checks a document against the schema. Throws `Bad Request` with every problem. */
  parse(document: JsonValue): CreateIngressRequest {
    return parseBody("CreateIngressRequest", document);
  }

  /**
   * Checks a document by all there is and returns its rules, normalised and with canonical instance names.
   * Throws with every problem; code and message are those of the first in hypeman's order.
   */
  async admit(request: CreateIngressRequest, selfId?: string): Promise<readonly IngressRule[]> {
    const semantic = semanticProblems(request);
    const rules = normalizeSoundRules(request, semantic, this.#options.settings.ports);
    const name = this.#nameProblems(request.name, selfId);
    const tls = tlsProblems(rules, this.#options.settings.tls);
    const references = await this.#reference(rules);
    const problems = [
      ...semantic,
      ...name,
      ...tls,
      ...references.problems,
      ...claimProblems(this.#options.catalog.claims.conflicts(rules, selfId)),
      ...this.#portProblems(rules),
    ];
    if (problems.length > 0) throw refusal(problems);
    return references.rules;
  }

  /** Checks name and claims again, on top of everything staged before. Throws with every problem. */
  checkClaims(ingress: Ingress): void {
    const problems = [
      ...this.#nameProblems(ingress.name, ingress.id),
      ...claimProblems(this.#options.catalog.claims.conflicts(ingress.rules, ingress.id)),
    ];
    if (problems.length > 0) throw refusal(problems);
  }

  #nameProblems(name: string, selfId: string | undefined): Problem[] {
    const holder = this.#options.catalog.idOfName(name);
    if (holder === undefined || holder === selfId) return [];
    return [
      {
        code: "already_exists",
        message: `ingress already exists: ingress with name "${name}" already exists`,
        field: "name",
      },
    ];
  }

  #portProblems(rules: readonly (IngressRule | undefined)[]): Problem[] {
    return rules.flatMap((rule, index) => {
      const error = rule === undefined ? undefined : this.#options.renderer.leftOut.get(rule.match.port);
      if (error === undefined) return [];
      return [{ code: error.code, message: error.message, field: `rules[${index}].match.port` }];
    });
  }

  /** Finds the instances that rules name; a target with captures is found at request time. */
  async #reference(
    rules: readonly (IngressRule | undefined)[],
  ): Promise<{ rules: readonly IngressRule[]; problems: readonly Problem[] }> {
    const problems: Problem[] = [];
    const found = await Promise.all(
      rules.map(async (rule, index) => {
        if (rule === undefined || rule.match.hostname.includes("{")) return rule;
        const reference = await this.#options.resolver.reference(rule.target.instance);
        if (reference.kind === "unavailable") {
          throw new GatewrightError(
            "source_unavailable",
            `instances cannot be looked up: ${reference.reason}`,
          );
        }
        if (reference.kind !== "found") {
          problems.push(instanceNotFound(rule.target.instance, index));
          return rule;
        }
        const { name, network } = reference.instance;
        const refused = network.ip
          ? targetRefusal(network.ip, rule.target.port, this.#options.settings.guard)
          : undefined;
        if (!network.enabled) problems.push(noNetwork(name, index));
        else if (refused !== undefined) problems.push(notAllowed(name, rule.target.port, refused, index));
        return { ...rule, target: { ...rule.target, instance: name } };
      }),
    );
    return { rules: found.filter((rule) => rule !== undefined), problems };
  }
}

function instanceNotFound(instance: string, index: number): Problem {
  return {
    code: "instance_not_found",
    message: `target instance not found: instance "${instance}" not found`,
    field: `rules[${index}].target.instance`,
  };
}

function noNetwork(instance: string, index: number): Problem {
  return {
    code: "instance_no_network",
    message: `target instance has no network: enable the network of instance "${instance}"`,
    field: `rules[${index}].target.instance`,
  };
}

function notAllowed(instance: string, port: number, reason: string, index: number): Problem {
  return {
    code: "target_not_allowed",
    message: `target not allowed: port ${port} of instance "${instance}" ${reason}`,
    field: `rules[${index}].target`,
  };
}
