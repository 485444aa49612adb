import type { Ingress, IngressRule } from "../api.ts";

/** Who claims: an ingress whose rules are normalised. */
export type Claimant = Pick<Ingress, "id" | "name" | "listen" | "gateways"> & {
  readonly rules: readonly IngressRule[];
};

/** Who asks for conflicts: claims of the ingress that is replaced, and of ingresses served elsewhere, are none. */
export interface Asker extends Pick<Ingress, "listen" | "gateways"> {
  /** An id or several. */
  readonly except?: string | ReadonlySet<string> | undefined;
}

/** Whether a claim can be in the way of who asks: another ingress, on a listen address and gateway of both. */
export function isInTheWay({ ingress }: Claim, { except, listen, gateways }: Asker): boolean {
  return (
    !isExcepted(ingress.id, except) &&
    overlaps(ingress.listen, listen) &&
    overlaps(ingress.gateways, gateways)
  );
}

/** Whether an id is left out of account. */
export function isExcepted(id: string, except: Asker["except"]): boolean {
  return typeof except === "object" ? except.has(id) : id === except;
}

/** Absent means all. */
function overlaps(left: readonly string[] | undefined, right: readonly string[] | undefined): boolean {
  return left === undefined || right === undefined || left.some((one) => right.includes(one));
}

/** One rule of an ingress. Points at the rules that the owner holds anyway, so that a claim costs few bytes. */
export interface Claim {
  readonly ingress: Claimant;
  readonly index: number;
}

/** Claims that share a key: mostly one, so that a list is made for the second only. */
export type Bucket = Claim | Claim[];

/** The rule that the claim is of. */
export function ruleOf(claim: Claim): IngressRule | undefined {
  return claim.ingress.rules[claim.index];
}

export function listOf(bucket: Bucket | undefined): Claim[] {
  if (bucket === undefined) return [];
  return Array.isArray(bucket) ? bucket : [bucket];
}

/** The bucket with the claim; a list grows in place, since thousands of redirects may share a host. */
export function withClaim(bucket: Bucket | undefined, claim: Claim): Bucket {
  if (bucket === undefined) return claim;
  const claims = listOf(bucket);
  claims.push(claim);
  return claims;
}

/** The bucket without the claim, found by ingress id and index; undefined when nothing is left. */
export function withoutClaim(bucket: Bucket | undefined, claim: Claim): Bucket | undefined {
  const left = listOf(bucket).filter(
    (held) => held.index !== claim.index || held.ingress.id !== claim.ingress.id,
  );
  return left.length > 1 ? left : left[0];
}

/** A claim of the bucket that can match a request that the rule matches, all other things being equal. */
export function findMeeting(bucket: Bucket | undefined, rule: IngressRule, asker: Asker): Claim | undefined {
  return listOf(bucket).find((claim) => isInTheWay(claim, asker) && meets(claim, rule));
}

/**
 * Claims of one host and `matchKey` that want headers, by these.
 * Rules with the same header names meet only when the values are equal too, so that a host with many values of one
 * header (a tenant's name, say) needs no search. Rules with other names are looked at one by one.
 */
export class HeaderClaims {
  /** Header names → values → claims. */
  readonly #names = new Map<string, Map<string, Bucket>>();

  add(claim: Claim): void {
    const { names, values } = headerKey(claim);
    const claims = this.#names.get(names) ?? new Map<string, Bucket>();
    claims.set(values, withClaim(claims.get(values), claim));
    this.#names.set(names, claims);
  }

  /** Whether nothing is left. */
  remove(claim: Claim): boolean {
    const { names, values } = headerKey(claim);
    const claims = this.#names.get(names);
    const left = withoutClaim(claims?.get(values), claim);
    if (left === undefined) claims?.delete(values);
    else claims?.set(values, left);
    if (claims?.size === 0) this.#names.delete(names);
    return this.#names.size === 0;
  }

  /** Every claim. */
  all(): Claim[] {
    return [...this.#names.values()].flatMap((claims) => [...claims.values()].flatMap(listOf));
  }

  /** As `findMeeting`. */
  find(rule: IngressRule, asker: Asker): Claim | undefined {
    const own = headerKeyOf(rule);
    for (const [names, claims] of this.#names) {
      const buckets = names === own.names ? [claims.get(own.values)] : claims.values();
      for (const bucket of buckets) {
        const found = listOf(bucket).find((claim) => isInTheWay(claim, asker) && meets(claim, rule));
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

interface HeaderKey {
  readonly names: string;
  readonly values: string;
}

function headerKey(claim: Claim): HeaderKey {
  const rule = ruleOf(claim);
  return rule === undefined ? { names: "", values: "" } : headerKeyOf(rule);
}

function headerKeyOf({ match: { headers } }: IngressRule): HeaderKey {
  if (headers === undefined) return { names: "", values: "" };
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return {
    names: entries.map(([name]) => name).join(),
    values: JSON.stringify(entries.map(([, value]) => value)),
  };
}

/** Whether one request can satisfy the methods and headers of both rules. */
function meets(claim: Claim, rule: IngressRule): boolean {
  const held = ruleOf(claim);
  if (held === undefined) return false;
  const { methods } = rule.match;
  const sharedMethod = held.match.methods?.some((method) => methods?.includes(method) ?? true) ?? true;
  return sharedMethod && headersAgree(held.match.headers, rule.match.headers);
}

type Headers = IngressRule["match"]["headers"];

/** A request has one value of a header, so only different values of one name exclude each other. */
function headersAgree(left: Headers, right: Headers): boolean {
  if (left === undefined || right === undefined) return true;
  const values = new Map(Object.entries(left).map(([name, value]) => [name.toLowerCase(), value]));
  return Object.entries(right).every(([name, value]) => {
    const other = values.get(name.toLowerCase());
    return other === undefined || other === value;
  });
}
