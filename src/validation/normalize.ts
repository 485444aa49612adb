import { GatewrightError, type Problem } from "../errors.ts";
import type {
  CreateIngressRequest,
  Ingress,
  IngressMatch,
  IngressRule,
  IngressRuleInput,
} from "../model/api.ts";
import { isHostnameProblem, parseHostname } from "../model/hostname.ts";
import { isPathProblem, normalizePath } from "../model/path.ts";
import { isLayer4, type Protocol, protocolOf } from "../model/protocol.ts";
import { ruleIndexOf } from "../model/wording.ts";
import { normalizePolicies } from "../policies/index.ts";
import { normalizeListen } from "./layer4.ts";
import { normalizeTarget } from "./normalize-target.ts";
import { semanticProblems } from "./semantic.ts";

/** The ports that rules without one get. */
export interface ListenPorts {
  /** `HTTP_PORT`, 80 by default. */
  readonly httpPort: number;
  /** `HTTPS_PORT`, 443 by default. */
  readonly httpsPort: number;
}

/** An ingress file: ours, or one of hypeman's, which leaves out `updated_at` and false flags. */
export type StoredIngress = CreateIngressRequest &
  Pick<Ingress, "id" | "created_at"> &
  Partial<Pick<Ingress, "updated_at" | "owner">>;

/** The port of `match.port` under a rule with 80: hypeman's default, which it stores for TLS rules too. */
const HYPEMAN_DEFAULT_PORT = 80;

/** The listen port of a rule: absent, null and 0 mean HTTP_PORT, and with TLS these and 80 mean HTTPS_PORT. */
export function effectivePort(port: number | null | undefined, tls: boolean, ports: ListenPorts): number {
  const given = port ?? 0;
  if (tls) return given === 0 || given === HYPEMAN_DEFAULT_PORT ? ports.httpsPort : given;
  return given === 0 ? ports.httpPort : given;
}

/**
 * The rules as they are stored, answered and compiled: ports filled in, hostname and path in their one form, methods
 * in capitals, flags explicit. Normalising again changes nothing.
 * The request has no semantic problems; a rule that has some throws a RangeError.
 */
export function normalizeRules(request: CreateIngressRequest, ports: ListenPorts): IngressRule[] {
  return request.rules.map((rule) => normalizeRule(rule, ports));
}

/**
 * Normalises the rules that have none of the problems, and makes `undefined` of the others, so that what TLS and claims
 * say about the sound ones can be answered at once.
 */
export function normalizeSoundRule(
  problems: readonly Problem[],
  ports: ListenPorts,
): (rule: IngressRuleInput, index: number) => IngressRule | undefined {
  const unsound = new Set(problems.map(({ field }) => ruleIndexOf(field)));
  return (rule, index) => (unsound.has(index) ? undefined : normalizeRule(rule, ports));
}

/**
 * Reads a stored ingress, which fits the schema of a request beside its id and times.
 * Throws `ingress_unreadable` when it breaks a rule that hypeman did not have: it must not be served as it stands.
 */
export function normalizeStored(document: StoredIngress, ports: ListenPorts): Ingress {
  const problems = semanticProblems(document);
  const [first] = problems;
  if (first !== undefined)
    throw new GatewrightError("ingress_unreadable", first.message, { details: problems });
  const { id, name, tags = {}, created_at, updated_at = created_at, owner } = document;
  const rules = normalizeRules(document, ports);
  const place = normalizePlace(document);
  return {
    id,
    name,
    ...(Object.keys(tags).length > 0 ? { tags } : {}),
    ...place,
    ...(owner === undefined ? {} : { owner }),
    rules,
    created_at,
    updated_at,
  };
}

/** Where an ingress is served, in the one form that is stored and answered. */
export function normalizePlace({
  listen,
  gateways,
}: Pick<CreateIngressRequest, "listen" | "gateways">): Pick<Ingress, "listen" | "gateways"> {
  return {
    ...(listen === undefined ? {} : { listen: normalizeListen(listen) }),
    ...(gateways === undefined ? {} : { gateways: [...gateways].sort() }),
  };
}

function normalizeRule(rule: IngressRuleInput, ports: ListenPorts): IngressRule {
  const {
    target,
    targets,
    tls = false,
    redirect_http = false,
    tls_options,
    request_header_auth: auth,
    upstream,
    policies,
  } = rule;
  return {
    match: normalizeMatch(rule, listenPort(rule, ports)),
    ...(target === undefined ? {} : { target: normalizeTarget(target) }),
    ...(targets === undefined ? {} : { targets: targets.map(normalizeTarget) }),
    tls,
    redirect_http,
    ...(tls_options === undefined ? {} : { tls_options }),
    ...(auth === undefined ? {} : { request_header_auth: { header: auth.header, value: auth.value } }),
    ...(upstream === undefined ? {} : { upstream }),
    ...(policies === undefined || Object.keys(policies).length === 0
      ? {}
      : { policies: normalizePolicies(policies) }),
  };
}

/** Hypeman's reading of 80 is for rules of HTTP alone. */
function listenPort(rule: IngressRuleInput, ports: ListenPorts): number {
  const { port } = rule.match;
  if (!isLayer4(rule)) return effectivePort(port, rule.tls === true, ports);
  return (port ?? 0) === 0 ? ports.httpsPort : (port ?? 0);
}

function normalizeMatch(rule: IngressRuleInput, port: number): IngressMatch {
  const { match } = rule;
  const hostname = parseHostname(match.hostname ?? "*");
  if (isHostnameProblem(hostname)) throw new RangeError(hostname.problem);
  const { methods = [], headers = {} } = match;
  const path = match.path === undefined ? undefined : normalizePath(match.path);
  if (path !== undefined && isPathProblem(path)) throw new RangeError(path.problem);
  return {
    ...protocolField(protocolOf(rule)),
    hostname: hostname.canonical,
    port,
    ...(path === undefined ? {} : { path }),
    ...(methods.length === 0 ? {} : { methods: [...new Set(methods.map((method) => method.toUpperCase()))] }),
    ...(Object.keys(headers).length === 0 ? {} : { headers: { ...headers } }),
  };
}

function protocolField(protocol: Protocol): Pick<IngressMatch, "protocol"> {
  return protocol === "http" ? {} : { protocol };
}
