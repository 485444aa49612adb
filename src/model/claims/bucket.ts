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

/**
 * Claims that share a key: mostly one, so that a map is made for the second only. By the ingress's id: thousands of
 * rules of one ingress may share a key, and are passed over or freed together.
 */
export type Bucket = Claim | Map<string, Claim[]>;

/** The rule that the claim is of. */
export function ruleOf(claim: Claim): IngressRule | undefined {
  return claim.ingress.rules[claim.index];
}

/** The bucket with the claim; a map grows in place, since thousands of redirects may share a host. */
export function withClaim(bucket: Bucket | undefined, claim: Claim): Bucket {
  if (bucket === undefined) return claim;
  const claims = bucket instanceof Map ? bucket : new Map([[bucket.ingress.id, [bucket]]]);
  const { id } = claim.ingress;
  const ofIngress = claims.get(id);
  if (ofIngress === undefined) claims.set(id, [claim]);
  else ofIngress.push(claim);
  return claims;
}

/** The bucket without the claim, found by ingress id and index; undefined when nothing is left. */
export function withoutClaim(bucket: Bucket | undefined, { ingress, index }: Claim): Bucket | undefined {
  if (!(bucket instanceof Map))
    return bucket?.index === index && bucket.ingress.id === ingress.id ? undefined : bucket;
  const { id } = ingress;
  const ofIngress = bucket.get(id);
  // Mostly the first: an ingress's claims are freed in the order in which they were held.
  const at = ofIngress?.findIndex((held) => held.index === index) ?? -1;
  if (ofIngress === undefined || at < 0) return bucket;
  ofIngress.splice(at, 1);
  if (ofIngress.length === 0) bucket.delete(id);
  return bucket.size === 0 ? undefined : bucket;
}

/** The map without the claim in the bucket of the key, and without the bucket when nothing else is in it. */
export function takeOut<Key>(held: Map<Key, Bucket>, key: Key, claim: Claim): void {
  const left = withoutClaim(held.get(key), claim);
  if (left === undefined) held.delete(key);
  else held.set(key, left);
}

/** A claim of the bucket that is in the way: of another ingress, on a listen address and gateway of both. */
export function findIn(bucket: Bucket | undefined, asker: Asker): Claim | undefined {
  if (bucket === undefined) return undefined;
  if (!(bucket instanceof Map)) return isInTheWay(bucket, bucket.ingress.id, asker) ? bucket : undefined;
  for (const [id, [first]] of bucket) if (first !== undefined && isInTheWay(first, id, asker)) return first;
  return undefined;
}

/** All claims of the bucket; only those that are in the way where somebody asks. */
export function claimsIn(bucket: Bucket | undefined, asker?: Asker): readonly Claim[] {
  if (bucket === undefined) return [];
  const all = bucket instanceof Map ? [...bucket.values()].flat() : [bucket];
  return asker === undefined ? all : all.filter((claim) => isInTheWay(claim, claim.ingress.id, asker));
}

function isInTheWay({ ingress }: Claim, id: string, { except, listen, gateways }: Asker): boolean {
  return !isExcepted(id, except) && overlaps(ingress.listen, listen) && overlaps(ingress.gateways, gateways);
}
