import type { IngressRule } from "../api.ts";
import { hostnameShape } from "../hostname.ts";
import { headerCount, takesEveryPath } from "../precedence.ts";
import { isStream } from "../protocol.ts";
import {
  type Asker,
  type Bucket,
  type Claim,
  findMeeting,
  HeaderClaims,
  isInTheWay,
  listOf,
  ruleOf,
  withClaim,
  withoutClaim,
} from "./bucket.ts";

/** The claims of one host on one port: mostly one, so that a map is made for the second only. */
type HostClaims = Claim | Map<string, KeyClaims>;

/** The claims of one key (`matchKey`): a plain bucket where the key says that no header is wanted. */
type KeyClaims = Bucket | HeaderClaims;

/** Claims of port, host, path, methods and headers. */
export class MatchClaims {
  /** Port → shape → claims. The shape of a literal is the string that the rule itself holds. */
  readonly #ports = new Map<number, Map<string, HostClaims>>();

  add(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule === undefined || isStream(rule)) return;
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
    if (rule === undefined || isStream(rule)) return;
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
    if (isStream(rule)) return undefined;
    const claims = this.#ports.get(rule.match.port)?.get(hostnameShape(rule.match.hostname));
    if (claims === undefined) return undefined;
    const key = matchKey(rule);
    const held = claims instanceof Map ? claims.get(key) : claims;
    if (held instanceof HeaderClaims) return held.find(rule, asker);
    if (!(claims instanceof Map) && matchKeyOf(claims) !== key) return undefined;
    return findMeeting(held, rule, asker);
  }

  /** A claim of any host of a port, or of one host, whatever its path. */
  findAny(port: number, shape: string | undefined, asker: Asker): Claim | undefined {
    const hosts = this.#ports.get(port);
    if (hosts === undefined) return undefined;
    const held = shape === undefined ? hosts.values() : [hosts.get(shape)];
    for (const claims of held) {
      const found = everyClaim(claims).find((claim) => isInTheWay(claim, asker));
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Claims of the plain-HTTP side of `redirect_http`, by host. */
export class RedirectClaims {
  readonly #hosts = new Map<string, Bucket>();

  add(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule?.redirect_http !== true) return;
    const shape = hostnameShape(rule.match.hostname);
    this.#hosts.set(shape, withClaim(this.#hosts.get(shape), claim));
  }

  remove(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule?.redirect_http !== true) return;
    const shape = hostnameShape(rule.match.hostname);
    const left = withoutClaim(this.#hosts.get(shape), claim);
    if (left === undefined) this.#hosts.delete(shape);
    else this.#hosts.set(shape, left);
  }

  /** A claim that redirects the rule's host to another port than the rule does. */
  find(rule: IngressRule, asker: Asker): Claim | undefined {
    if (!rule.redirect_http) return undefined;
    return listOf(this.#hosts.get(hostnameShape(rule.match.hostname))).find((claim) => {
      const port = ruleOf(claim)?.match.port;
      return isInTheWay(claim, asker) && port !== undefined && port !== rule.match.port;
    });
  }
}

function everyClaim(claims: HostClaims | undefined): Claim[] {
  if (claims === undefined) return [];
  if (!(claims instanceof Map)) return [claims];
  return [...claims.values()].flatMap((held) => (held instanceof HeaderClaims ? held.all() : listOf(held)));
}

function addTo(keys: Map<string, KeyClaims>, claim: Claim): void {
  const key = matchKeyOf(claim);
  const held = keys.get(key);
  if (held instanceof HeaderClaims) held.add(claim);
  else if (ruleOf(claim)?.match.headers === undefined) keys.set(key, withClaim(held, claim));
  else {
    const claims = new HeaderClaims();
    claims.add(claim);
    keys.set(key, claims);
  }
}

function removeFrom(keys: Map<string, KeyClaims>, claim: Claim): void {
  const key = matchKeyOf(claim);
  const held = keys.get(key);
  if (held instanceof HeaderClaims) {
    if (held.remove(claim)) keys.delete(key);
    return;
  }
  const left = withoutClaim(held, claim);
  if (left === undefined) keys.delete(key);
  else keys.set(key, left);
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
