import type { IngressRule } from "../api.ts";
import { hostnameShape } from "../hostname.ts";
import { isLayer4, isNamed, protocolOf } from "../protocol.ts";
import { type Asker, type Bucket, type Claim, findIn, ruleOf, takeOut, withClaim } from "./bucket.ts";
import type { MatchClaims } from "./match-claims.ts";

/** Claims of rules of layer 4: names of TLS clients on a port, whole TCP ports, UDP ports. */
export class Layer4Claims {
  /** `<port> <shape>`, `<port> tcp` and `<port> udp`; neither is a shape. */
  readonly #held = new Map<string, Bucket>();
  /** Port → claims of names, for a rule that wants the port for itself. */
  readonly #named = new Map<number, Bucket>();

  add(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule === undefined || !isLayer4(rule)) return;
    const key = keyOf(rule);
    this.#held.set(key, withClaim(this.#held.get(key), claim));
    const { port } = rule.match;
    if (isNamed(rule)) this.#named.set(port, withClaim(this.#named.get(port), claim));
  }

  remove(claim: Claim): void {
    const rule = ruleOf(claim);
    if (rule === undefined || !isLayer4(rule)) return;
    takeOut(this.#held, keyOf(rule), claim);
    if (isNamed(rule)) takeOut(this.#named, rule.match.port, claim);
  }

  /**
   * What stands against a rule. A TCP port without names belongs to one rule; a name on a port is passed through, ended
   * here or served over HTTP, never two of these; UDP ports are apart.
   */
  find(rule: IngressRule, matches: MatchClaims, asker: Asker): Claim | undefined {
    // Most have none, and their rules need no key.
    if (this.#held.size === 0 && !isLayer4(rule)) return undefined;
    const { port, hostname } = rule.match;
    const own = findIn(this.#held.get(keyOf(rule)), asker);
    if (own !== undefined || protocolOf(rule) === "udp") return own;
    if (!isNamed(rule))
      return findIn(this.#named.get(port), asker) ?? matches.findAny(port, undefined, asker);
    const whole = findIn(this.#held.get(`${port} tcp`), asker);
    if (whole !== undefined || !isLayer4(rule)) return whole;
    return matches.findAny(port, hostnameShape(hostname), asker);
  }
}

function keyOf(rule: IngressRule): string {
  const { port, hostname } = rule.match;
  return isNamed(rule) ? `${port} ${hostnameShape(hostname)}.` : `${port} ${protocolOf(rule)}`;
}
