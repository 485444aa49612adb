import type { CompilerSettings } from "../compiler/settings.ts";
import type { Problem } from "../errors.ts";
import type { CreateIngressRequest, Ingress, IngressRule } from "../model/api.ts";
import { ClaimIndex } from "../model/claims/claim-index.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import { mapInSlices } from "../util/slices.ts";
import {
  claimProblems,
  type ListenPorts,
  normalizePlace,
  normalizeSoundRule,
  policyEndpointProblems,
  refusal,
  reservedPortProblems,
  ruleProblems,
  semanticProblems,
  type TlsSettings,
  tlsProblems,
} from "../validation/ingress.ts";
import { parseBody } from "../validation/schema.ts";
import type { TargetGuard } from "../validation/target-guard.ts";
import { type Catalog, changedId, type IngressChange } from "./catalog.ts";
import type { JsonValue } from "./ingress-manager.ts";
import { moduleProblems } from "./module-problems.ts";
import type { Reconciler } from "./reconciler.ts";
import type { Wanted } from "./set-aside.ts";
import { referTargets, withRemedy } from "./target-references.ts";
import { type CertificateLookup, referCertificates, tlsConflicts } from "./tls-admission.ts";

/** What documents are checked against beside each other. */
export interface AdmissionSettings {
  readonly ports: ListenPorts;
  readonly tls: TlsSettings;
  readonly guard: TargetGuard;
  /** The source of instances can start them. */
  readonly canWake?: boolean;
}

export interface AdmissionOptions {
  readonly catalog: Catalog;
  readonly reconciler: Pick<Reconciler, "leftOut">;
  readonly resolver: InstanceResolver;
  readonly settings: AdmissionSettings;
  readonly compiler: CompilerSettings;
  /** Imported certificates. Default: none. */
  readonly certificates?: CertificateLookup | undefined;
}

/** What others hold of what a document wants. */
interface HeldProblems {
  readonly name: readonly Problem[];
  readonly claims: readonly Problem[];
}

const nothingHeld = (): HeldProblems => ({ name: [], claims: [] });
const noCertificates: CertificateLookup = { find: () => undefined };

/** Checks ingress documents: by themselves, against the instances, and against each other. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** The id of an imported certificate, by that or its name. */
  certificateId(reference: string): string | undefined {
    return this.#options.certificates?.find(reference)?.id;
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
    const { rules, problems } = await this.examine(request, (normalised) =>
      this.#heldProblems({ name: request.name, rules: normalised, ...normalizePlace(request) }, selfId),
    );
    if (problems.length > 0) throw refusal(problems);
    return rules;
  }

  /**
   * The same without the name and the claims of others, which `held` may add: for documents that are checked against
   * others when those that go with them have left their place (`checkClaims`).
   */
  async examine(
    request: CreateIngressRequest,
    held: (rules: readonly (IngressRule | undefined)[]) => HeldProblems = nothingHeld,
  ): Promise<{ readonly rules: readonly IngressRule[]; readonly problems: readonly Problem[] }> {
    const semantic = semanticProblems(request, (await mapInSlices(request.rules, ruleProblems)).flat());
    const normalize = normalizeSoundRule(semantic, this.#options.settings.ports);
    const rules = await mapInSlices(request.rules, normalize);
    const { name, claims } = held(rules);
    const tls = tlsProblems(rules, this.#options.settings.tls);
    const references = await this.#reference(rules);
    const problems = [
      ...semantic,
      ...name,
      ...tls,
      ...references.problems,
      ...claims,
      ...reservedPortProblems(rules, this.#options.settings.ports),
      ...this.#portProblems(rules),
      ...policyEndpointProblems(rules, this.#options.settings.guard),
      ...moduleProblems(rules, this.#options.compiler),
    ];
    return { rules: references.rules, problems };
  }

  /** Checks name and claims again, on top of everything staged before. Throws with every problem. */
  checkClaims(ingress: Ingress): void {
    const { catalog, compiler, certificates = noCertificates } = this.#options;
    const before = catalog.getStaged(ingress.id)?.rules ?? [];
    const held = this.#heldProblems(ingress, ingress.id);
    const problems = [
      ...held.name,
      ...held.claims,
      ...tlsConflicts(ingress.rules, before, {
        needs: catalog.needs,
        settings: compiler,
        lookup: certificates,
      }),
    ];
    if (problems.length > 0) throw refusal(problems);
  }

  /**
   * Checks changes that are made together: names and claims of what they put, against each other and against everything
   * staged that they leave. Ingresses that are set aside do not count here. Throws with every problem.
   */
  checkTogether(changes: readonly IngressChange[]): void {
    const { catalog, compiler, certificates = noCertificates } = this.#options;
    const ids = new Set(changes.flatMap((change) => changedId(change) ?? []));
    const leaving = changes.flatMap(({ before }) => before?.rules ?? []);
    const coming = new ClaimIndex();
    const names = new Set<string>();
    const problems: Problem[] = [];
    for (const { after } of changes) {
      if (after === undefined) continue;
      const holder = catalog.idOfName(after.name);
      if (names.has(after.name) || (holder !== undefined && !ids.has(holder)))
        problems.push(nameTaken(after.name));
      problems.push(
        ...claimProblems(catalog.claims.conflicts(after.rules, ids, after)),
        ...claimProblems(coming.conflicts(after.rules, undefined, after)),
        ...tlsConflicts(after.rules, leaving, {
          needs: catalog.needs,
          settings: compiler,
          lookup: certificates,
        }),
      );
      coming.add(after);
      names.add(after.name);
    }
    if (problems.length > 0) throw refusal(problems);
  }

  /** What others hold of what a document wants, those that are set aside included. */
  #heldProblems(wanted: Wanted, selfId: string | undefined): HeldProblems {
    const { catalog } = this.#options;
    const before = selfId === undefined ? undefined : catalog.getStaged(selfId);
    const setAside = catalog.setAside.problems(wanted, selfId, before);
    const served = claimProblems(catalog.claims.conflicts(wanted.rules, selfId, wanted));
    return {
      name: [...this.#nameProblems(wanted.name, selfId), ...setAside.name],
      claims: [...served, ...setAside.claims],
    };
  }

  #nameProblems(name: string, selfId: string | undefined): Problem[] {
    const holder = this.#options.catalog.idOfName(name);
    if (holder === undefined || holder === selfId) return [];
    return [nameTaken(name)];
  }

  #portProblems(rules: readonly (IngressRule | undefined)[]): Problem[] {
    return rules.flatMap((rule, index) => {
      const error = rule === undefined ? undefined : this.#options.reconciler.leftOut.get(rule.match.port);
      if (error === undefined) return [];
      return [{ code: error.code, message: error.message, field: `rules[${index}].match.port` }];
    });
  }

  /** Finds what the targets of rules name. Throws `source_unavailable`. */
  async #reference(
    rules: readonly (IngressRule | undefined)[],
  ): Promise<{ rules: readonly IngressRule[]; problems: readonly Problem[] }> {
    const { certificates = noCertificates, resolver, settings } = this.#options;
    const refer = async (rule: IngressRule | undefined, index: number) => {
      if (rule === undefined) return undefined;
      const targets = await referTargets(rule, index, resolver, settings);
      const { rule: complete, problems } = referCertificates(targets.rule, index, certificates);
      return { rule: complete, problems: [...targets.problems, ...problems] };
    };
    const referring = await mapInSlices(rules, (rule, index) => {
      const referred = refer(rule, index);
      // One may fail while others are still to be begun.
      referred.catch(() => undefined);
      return referred;
    });
    const found = await Promise.all(referring);
    return {
      rules: found.flatMap((one) => one?.rule ?? []),
      problems: withRemedy(
        found.flatMap((one) => one?.problems ?? []),
        rules,
        resolver,
      ),
    };
  }
}

function nameTaken(name: string): Problem {
  return {
    code: "already_exists",
    message: `ingress already exists: ingress with name "${name}" already exists`,
    field: "name",
  };
}
