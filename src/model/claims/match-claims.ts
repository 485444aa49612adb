import type { IngressRule } from "../api.ts";
import { hostnameShape } from "../hostname.ts";
import { headerCount, takesEveryPath } from "../precedence.ts";
import { isLayer4 } from "../protocol.ts";
import {
  type Asker,
  type Bucket,
  type Claim,
  claimsIn,
  findIn,
  ruleOf,
  takeOut,
  withClaim,
  withoutClaim,
} from "./bucket.ts";
import { SelectedClaims } from "./selected-claims.ts";

/** The claims of one host on one port: mostly one, so that a map is made for the second only. */
type HostClaims = Claim | Map<string, KeyClaims>;

/** The claims of one key (`matchKey`): a plain bucket where the key says that no method and no header is wanted. */
type KeyClaims = Bucket | SelectedClaims;

/** Places of a host that are looked at for who would be next. */
const MOST_PLACES = 100;

/** Claims of port, host, path, methods and headers. */
export class MatchClaims {
  /** Port → shape → claims. The shape of a literal is the string that the rule itself holds. */
  readonly #ports = new Map<number, Map<string, HostClaims>>();

  add(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule === undefined || isLayer4(rule)) return;
    const { port, hostname } = rule.match;
    let hosts = this.#ports.get(port);
    if (hosts === undefined) {
      hosts = new Map();
      this.#ports.set(port, hosts);
    }
    const shape = hostnameShape(hostname);
    const claims = hosts.get(shape);
    if (claims === undefined) hosts.set(shape, claim);
    else if (claims instanceof Map) addTo(claims, claim);
    else {
      const both = new Map<string, KeyClaims>();
      addTo(both, claims);
      addTo(both, claim);
      hosts.set(shape, both);
    }
  }

  remove(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule === undefined || isLayer4(rule)) return;
    const hosts = this.#ports.get(rule.match.port);
    const shape = hostnameShape(rule.match.hostname);
    const claims = hosts?.get(shape);
    if (hosts === undefined || claims === undefined) return;
    if (!(claims instanceof Map)) {
      if (withoutClaim(claims, claim) === undefined) hosts.delete(shape);
    } else {
      removeFrom(claims, claim);
      if (claims.size === 0) hosts.delete(shape);
    }
    if (hosts.size === 0) this.#ports.delete(rule.match.port);
  }

  /** A claim that ties with the rule and can match a request that the rule matches. */
  find(rule: IngressRule, asker: Asker): Claim | undefined {
    if (isLayer4(rule)) return undefined;
    const held = this.#atKeyOf(rule);
    return held instanceof SelectedClaims ? held.find(rule, asker) : findIn(held, asker);
  }

  /** How many sets of header names the rules of its `matchKey` would have with the rule's. */
  headerSetsWith(rule: IngressRule): number {
    const held = isLayer4(rule) ? undefined : this.#atKeyOf(rule);
    return held instanceof SelectedClaims ? held.headerSetsWith(rule) : 1;
  }

  /** The claims that tie with the rule in precedence. */
  #atKeyOf(rule: IngressRule): KeyClaims | undefined {
    const claims = this.#ports.get(rule.match.port)?.get(hostnameShape(rule.match.hostname));
    if (claims === undefined) return undefined;
    const key = matchKey(rule);
    if (claims instanceof Map) return claims.get(key);
    if (matchKeyOf(claims) !== key) return undefined;
    if (!isSelective(claims)) return claims;
    const selected = new SelectedClaims();
    selected.add(claims);
    return selected;
  }

  /** The claims of one host, of a bounded number of its places. */
  *at(port: number, shape: string, asker: Asker): Generator<Claim> {
    const claims = this.#ports.get(port)?.get(shape);
    if (claims === undefined) return;
    let left = MOST_PLACES;
    for (const held of claims instanceof Map ? claims.values() : [claims]) {
      if (left === 0) return;
      left -= 1;
      yield* held instanceof SelectedClaims ? held.all(asker) : claimsIn(held, asker);
    }
  }

  /** A claim of any host of a port, or of one host, whatever its path. */
  findAny(port: number, shape: string | undefined, asker: Asker): Claim | undefined {
    const hosts = this.#ports.get(port);
    if (hosts === undefined) return undefined;
    const held = shape === undefined ? hosts.values() : [hosts.get(shape)];
    for (const claims of held) {
      const found = findAmong(claims, asker);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Claims of the plain-HTTP side of `redirect_http`, by host and port. */
export class RedirectClaims {
  readonly #hosts = new Map<string, Map<number, Bucket>>();

  add(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule?.redirect_http !== true) return;
    const { hostname, port } = rule.match;
    const shape = hostnameShape(hostname);
    const ports = this.#hosts.get(shape) ?? new Map<number, Bucket>();
    ports.set(port, withClaim(ports.get(port), claim));
    this.#hosts.set(shape, ports);
  }

  remove(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule?.redirect_http !== true) return;
    const { hostname, port } = rule.match;
    const shape = hostnameShape(hostname);
    const ports = this.#hosts.get(shape);
    if (ports === undefined) return;
    takeOut(ports, port, claim);
    if (ports.size === 0) this.#hosts.delete(shape);
  }

  /** A claim that redirects the rule's host to another port than the rule does. */
  find(rule: IngressRule, asker: Asker): Claim | undefined {
    if (!rule.redirect_http) return undefined;
    for (const [port, bucket] of this.#hosts.get(hostnameShape(rule.match.hostname)) ?? []) {
      const found = port === rule.match.port ? undefined : findIn(bucket, asker);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function findAmong(claims: HostClaims | undefined, asker: Asker): Claim | undefined {
  if (!(claims instanceof Map)) return findIn(claims, asker);
  for (const held of claims.values()) {
    const found = held instanceof SelectedClaims ? held.findAny(asker) : findIn(held, asker);
    if (found !== undefined) return found;
  }
  return undefined;
}

function addTo(keys: Map<string, KeyClaims>, claim: Claim): void {
  const key = matchKeyOf(claim);
  const held = keys.get(key);
  if (held instanceof SelectedClaims) held.add(claim);
  else if (!isSelective(claim)) keys.set(key, withClaim(held, claim));
  else {
    const claims = new SelectedClaims();
    claims.add(claim);
    keys.set(key, claims);
  }
}

function removeFrom(keys: Map<string, KeyClaims>, claim: Claim): void {
  const key = matchKeyOf(claim);
  const held = keys.get(key);
  if (held instanceof SelectedClaims) {
    if (held.remove(claim)) keys.delete(key);
    return;
  }
  const left = withoutClaim(held, claim);
  if (left === undefined) keys.delete(key);
  else keys.set(key, left);
}

/** Whether the claim wants methods or headers, so that others with its `matchKey` may stand beside it. */
function isSelective(claim: Claim): boolean {
  const match = ruleOf(claim)?.match;
  return match?.methods !== undefined || match?.headers !== undefined;
}

function matchKeyOf(claim: Claim): string {
  const rule = ruleOf(claim);
  return rule === undefined ? "" : matchKey(rule);
}

/** What precedence looks at below the host: rules of one host tie exactly when their keys are equal. */
function matchKey({ match }: IngressRule): string {
  const { path, methods, headers } = match;
  const wanted = path === undefined || takesEveryPath(path) ? "" : `${path.type} ${path.value}`;
  return `${methods === undefined ? "" : "m"}${headerCount(headers)} ${wanted}`;
}
