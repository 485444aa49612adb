import type { Ingress, IngressRule } from "../api.ts";
import { hostnameShape, isHostnameProblem, parseHostname } from "../hostname.ts";
import { isLayer4, isNamed, protocolOf } from "../protocol.ts";
import { type Asker, type Claim, type Claimant, isExcepted } from "./bucket.ts";
import { Layer4Claims } from "./layer4-claims.ts";
import { MatchClaims, RedirectClaims } from "./match-claims.ts";
import { type Next, nextClaims } from "./next-claim.ts";

/** Another rule that holds what a rule wants. */
export interface Conflict {
  /** The rule that wants it, by its index in the document. */
  readonly ruleIndex: number;
  readonly rule: IngressRule;
  /**
   * `rule`: both take the same requests. `redirect`: both redirect the host's plain port, to different ports.
   * `unreadable`: a file that could not be read names the host or port. `headers`: the document's rules for this host and
   * path have too many sets of header names to be compared. `reserved`: the host is Gatewright's own.
   */
  readonly kind: "rule" | "redirect" | "unreadable" | "headers" | "reserved";
  /** Who holds it. */
  readonly holder:
    | { readonly kind: "ingress"; readonly id: string; readonly name: string; readonly ruleIndex: number }
    | { readonly kind: "document"; readonly ruleIndex: number }
    | { readonly kind: "file"; readonly id: string };
}

/**
 * Rules of a document with one host, path and number of headers may name as many different sets of headers: each rule is
 * compared with each set, so that more would make a large document slow.
 */
export const MOST_HEADER_SETS = 32;

/**
 * Who claims which port, host, path, methods and headers. Rules are normalised ones.
 *
 * Two rules conflict when they tie in precedence and one request could match both, with TLS or without.
 * Redirects conflict only with redirects of the same host to another port: HTTP_PORT is one port for all of them,
 * and any rule there goes before them. Each operation costs as much as the rules given, however many are held.
 */
export class ClaimIndex {
  readonly #matches = new MatchClaims();
  readonly #redirects = new RedirectClaims();
  readonly #layer4 = new Layer4Claims();
  /** Shape, or port such as `53/udp` → ids of unreadable files that name it. */
  readonly #unreadable = new Map<string, Set<string>>();
  /** Shape → who has it for itself, on every port and path. */
  readonly #reserved = new Map<string, Claimant>();

  /** Holds every claim of an ingress, also those that conflict: whoever adds has asked `conflicts` before. */
  add(ingress: Claimant): void {
    for (let index = 0; index < ingress.rules.length; index += 1) {
      this.#matches.add({ ingress, index });
      this.#redirects.add({ ingress, index });
      this.#layer4.add({ ingress, index });
    }
  }

  /** Holds the claims of somebody, and has nobody else have its hosts, whatever the port and path. */
  reserve(claimant: Claimant): void {
    this.add(claimant);
    for (const { match } of claimant.rules) this.#reserved.set(hostnameShape(match.hostname), claimant);
  }

  /**
   * Who would answer a rule's requests if the rule were not there, in precedence; nobody for what none of them takes. `also`
   * has claims beside those of the index, of which none is excepted. Of a rule of layer 4: none.
   */
  next(rule: IngressRule, asker: Asker, also?: ClaimIndex): Next<Claimant> {
    if (isLayer4(rule)) return { claims: [], isWhole: true };
    const { port } = rule.match;
    const anybody = { ...asker, except: undefined };
    const { claims, isWhole } = nextClaims(rule, (shape) => [
      ...this.#matches.at(port, shape, asker),
      ...(also === undefined ? [] : also.#matches.at(port, shape, anybody)),
    ]);
    return { claims: claims.map(({ ingress }) => ingress), isWhole };
  }

  /** Frees the claims of an ingress, given as it was added. */
  remove(ingress: Claimant): void {
    for (let index = 0; index < ingress.rules.length; index += 1) {
      this.#matches.remove({ ingress, index });
      this.#redirects.remove({ ingress, index });
      this.#layer4.remove({ ingress, index });
    }
  }

  /**
   * Holds the hosts of a file that cannot be read, on every port, since what it would claim is not known; and ports of
   * layer 4, such as `5432/tcp`, which no shape looks like.
   */
  addUnreadable(id: string, hostnames: readonly string[], ports: readonly string[] = []): void {
    for (const key of [...hostnames.map(shapeOfText), ...ports]) {
      const ids = this.#unreadable.get(key) ?? new Set<string>();
      this.#unreadable.set(key, ids.add(id));
    }
  }

  /** Frees what a file holds that has been mended or deleted. */
  removeUnreadable(id: string): void {
    for (const [key, ids] of this.#unreadable) {
      if (ids.delete(id) && ids.size === 0) this.#unreadable.delete(key);
    }
  }

  /**
   * What stands against a document's rules: other ingresses, unreadable files and earlier rules of the same document.
   * `undefined` stands for a rule that is invalid by itself and claims nothing.
   * The ingress that the document replaces (or several) is left out of account, and those on other listen addresses or
   * gateways.
   */
  conflicts(
    rules: readonly (IngressRule | undefined)[],
    except?: string | ReadonlySet<string>,
    { listen, gateways }: Pick<Ingress, "listen" | "gateways"> = {},
  ): Conflict[] {
    // A single rule has none beside it.
    const own =
      rules.length === 1
        ? undefined
        : { matches: new MatchClaims(), redirects: new RedirectClaims(), layer4: new Layer4Claims() };
    const place = {
      ...(listen === undefined ? {} : { listen }),
      ...(gateways === undefined ? {} : { gateways }),
    };
    const asker: Asker = { except, ...place };
    const document: Claimant = { id: "", name: "", rules: rules as readonly IngressRule[] };
    const conflicts: Conflict[] = [];
    for (const [ruleIndex, rule] of rules.entries()) {
      if (rule === undefined) continue;
      const report = (kind: Conflict["kind"], holder: Conflict["holder"] | undefined): void => {
        if (holder !== undefined) conflicts.push({ ruleIndex, rule, kind, holder });
      };
      const reserved = this.#reservedFor(rule, except);
      if (reserved !== undefined) {
        report("reserved", reserved);
        continue;
      }
      if (own !== undefined && own.matches.headerSetsWith(rule) > MOST_HEADER_SETS) {
        report("headers", { kind: "document", ruleIndex });
        continue;
      }
      report("unreadable", this.#unreadableHolder(rule, except));
      report("rule", holderOf(this.#matches.find(rule, asker)));
      report("rule", documentHolder(own?.matches.find(rule, {})));
      report("rule", holderOf(this.#layer4.find(rule, this.#matches, asker)));
      report("rule", documentHolder(own?.layer4.find(rule, own.matches, {})));
      report("redirect", holderOf(this.#redirects.find(rule, asker)));
      report("redirect", documentHolder(own?.redirects.find(rule, {})));
      own?.matches.add({ ingress: document, index: ruleIndex });
      own?.redirects.add({ ingress: document, index: ruleIndex });
      own?.layer4.add({ ingress: document, index: ruleIndex });
    }
    return conflicts;
  }

  /** Ids of all that stand against a document's rules. Arguments as those of `conflicts`. */
  holders(
    rules: readonly (IngressRule | undefined)[],
    except: string | ReadonlySet<string> | undefined,
    place: Pick<Ingress, "listen" | "gateways">,
  ): Set<string> {
    const known = new Set(typeof except === "string" ? [except] : except);
    const found = new Set<string>();
    // `conflicts` names one holder of a claim at a time.
    for (;;) {
      const before = found.size;
      for (const { holder } of this.conflicts(rules, known, place)) {
        if (holder.kind === "document") continue;
        known.add(holder.id);
        found.add(holder.id);
      }
      if (found.size === before) return found;
    }
  }

  #reservedFor(rule: IngressRule, except: Asker["except"]): Conflict["holder"] | undefined {
    if (this.#reserved.size === 0 || !isNamed(rule)) return undefined;
    const holder = this.#reserved.get(hostnameShape(rule.match.hostname));
    if (holder === undefined || isExcepted(holder.id, except)) return undefined;
    return { kind: "ingress", id: holder.id, name: holder.name, ruleIndex: 0 };
  }

  #unreadableHolder(rule: IngressRule, except: Asker["except"]): Conflict["holder"] | undefined {
    if (this.#unreadable.size === 0) return undefined;
    const port = `${rule.match.port}/${protocolOf(rule) === "udp" ? "udp" : "tcp"}`;
    const keys = isNamed(rule) ? [hostnameShape(rule.match.hostname), port] : [port];
    for (const key of keys) {
      for (const id of this.#unreadable.get(key) ?? [])
        if (!isExcepted(id, except)) return { kind: "file", id };
    }
    return undefined;
  }
}

function holderOf(claim: Claim | undefined): Conflict["holder"] | undefined {
  if (claim === undefined) return undefined;
  return { kind: "ingress", id: claim.ingress.id, name: claim.ingress.name, ruleIndex: claim.index };
}

function documentHolder(claim: Claim | undefined): Conflict["holder"] | undefined {
  return claim === undefined ? undefined : { kind: "document", ruleIndex: claim.index };
}

/** The shape of a hostname out of a damaged file; text that is no hostname stands for itself. */
function shapeOfText(text: string): string {
  const hostname = parseHostname(text);
  return isHostnameProblem(hostname) ? text.toLowerCase() : hostname.shape;
}
