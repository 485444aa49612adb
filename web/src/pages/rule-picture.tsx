import type { JSX } from "preact";
import type {
  IngressRule,
  IngressTarget,
  Policies,
  RuleStatus,
  TargetStatus,
  TrafficMode,
  TrafficWindow,
} from "../data/types.ts";
import { count, latency, percent, plural } from "../format.ts";
import { href } from "../router.ts";
import { Icon } from "../ui/icons.tsx";
import { State, type Tone } from "../ui/status.tsx";
import { hostText, targetName, targetsOf, urlOf } from "../ui/targets.ts";
import type { Versioned } from "./ingress.tsx";
import { Modes, setMode } from "./target-modes.tsx";

interface RulePictureProps {
  readonly versioned: Versioned;
  readonly index: number;
  readonly status: RuleStatus | undefined;
  readonly window: TrafficWindow | undefined;
  readonly reload: () => void;
}

/** A rule as requests go through it: host, policies, targets with their health and share. */
export function RulePicture({
  versioned,
  index,
  status,
  window,
  reload,
}: RulePictureProps): JSX.Element | null {
  const rule = versioned.ingress.rules[index];
  if (rule === undefined) return null;
  const targets = targetsOf(rule);
  const policies = policiesOf(rule);
  return (
    <div class="rule">
      <div class="rule-host">
        <RuleHost rule={rule} />
      </div>
      <ul class="rule-policies" aria-label="Policies">
        {policies.map(([name, text]) => (
          <li key={name}>
            <span>{name}</span> {text}
          </li>
        ))}
        {policies.length === 0 && <li class="none">no policies</li>}
      </ul>
      <ul class="rule-targets" aria-label="Targets">
        {targets.map((target, place) => (
          <Target
            key={`${targetName(target)}:${target.port}`}
            target={target}
            status={status?.targets[place]}
            window={window}
            weight={targets.length > 1 ? shareOf(target, targets) : undefined}
            onMode={(mode) => setMode(versioned, index, place, mode).then(reload)}
          />
        ))}
      </ul>
    </div>
  );
}

function RuleHost({ rule }: { readonly rule: IngressRule }): JSX.Element {
  const { methods, headers, protocol = "http" } = rule.match;
  const url = urlOf(rule);
  return (
    <>
      <p class="mono host">
        {rule.tls && <Icon name="lock" label="TLS" />}{" "}
        {url === undefined ? hostText(rule) : <a href={url}>{hostText(rule)}</a>}
      </p>
      <p class="hint">
        {protocol === "http" ? (rule.tls ? "HTTPS" : "HTTP") : protocol.toUpperCase()} on port{" "}
        {rule.match.port}
        {rule.redirect_http && ", from HTTP by redirect"}
        {methods !== undefined && `, ${methods.join(" ")}`}
        {headers !== undefined && `, with ${Object.keys(headers).join(", ")}`}
      </p>
    </>
  );
}

function shareOf({ weight = 1 }: IngressTarget, all: readonly IngressTarget[]): number {
  const sum = all.reduce((total, one) => total + (one.weight ?? 1), 0);
  return sum === 0 ? 0 : weight / sum;
}

/** Each policy with what matters of it in a word. Values that may be secret are not among that. */
function policiesOf({
  policies = {},
  request_header_auth: key,
  upstream,
}: IngressRule): readonly (readonly [string, string])[] {
  const words: { readonly [name in keyof Policies]: (value: never) => string } = {
    access: ({ allow = [], deny = [] }: NonNullable<Policies["access"]>) =>
      [allow.length > 0 ? `allow ${allow.length}` : "", deny.length > 0 ? `deny ${deny.length}` : ""]
        .join(" ")
        .trim(),
    rate_limit: ({ requests_per_second: each }: NonNullable<Policies["rate_limit"]>) => `${count(each)}/s`,
    basic_auth: ({ users }: NonNullable<Policies["basic_auth"]>) => plural(Object.keys(users).length, "user"),
    max_request_body: (value: string) => value,
    access_log: (value: string) => value,
    unclean_paths: (value: string) => value,
    load_balancing: ({ policy = "round_robin" }: NonNullable<Policies["load_balancing"]>) => policy,
    health_check: ({ active }: NonNullable<Policies["health_check"]>) => active?.path ?? "",
  };
  const told = Object.entries(policies).map(([name, value]) => {
    const word = words[name as keyof Policies] as ((value: unknown) => string) | undefined;
    return [name.replaceAll("_", " "), word?.(value) ?? ""] as const;
  });
  return [
    ...told,
    ...(key === undefined ? [] : [["header key", key.header] as const]),
    ...(upstream === undefined ? [] : [["upstream", upstream.scheme ?? ""] as const]),
  ];
}

interface TargetProps {
  readonly target: IngressTarget;
  readonly status: TargetStatus | undefined;
  readonly window: TrafficWindow | undefined;
  readonly weight: number | undefined;
  readonly onMode: (mode: TrafficMode) => Promise<void>;
}

function Target({ target, status, window, weight, onMode }: TargetProps): JSX.Element {
  const name = targetName(target);
  const all = window?.targets ?? [];
  const mine = all.filter((one) => isOf(one.target, one.address, target, status));
  const requests = mine.reduce((sum, one) => sum + one.requests, 0);
  const total = all.reduce((sum, one) => sum + one.requests, 0);
  const failures = mine.reduce((sum, one) => sum + one.failures, 0);
  const p95 = mine.length === 0 ? undefined : Math.max(...mine.map((one) => one.p95 ?? 0));
  const part = total === 0 ? undefined : requests / total;
  return (
    <li>
      <div class="target-head">
        <span class="mono">
          {target.instance === undefined || /[{]/.test(target.instance) ? (
            name
          ) : (
            <a href={href(["instances", target.instance])}>{name}</a>
          )}
          :{target.port}
        </span>
        <TargetState status={status} />
      </div>
      {part !== undefined && <ShareBar share={part} />}
      <p class="hint">
        {weight !== undefined && `weight ${percent(weight)}`}
        {weight !== undefined && part !== undefined && " · "}
        {part !== undefined && `${percent(part)} of requests`}
        {p95 !== undefined && p95 > 0 && ` · 95 % within ${latency(p95)}`}
        {failures > 0 && ` · ${plural(failures, "failure")}`}
      </p>
      {status?.addresses.map(({ address, health, message }) => (
        <p class="hint" key={address}>
          <span class="mono">{address}</span> {health === "unchecked" ? "" : health}
          {message !== undefined && `: ${message}`}
        </p>
      ))}
      {status?.reason !== undefined && <p class="hint">{status.reason}</p>}
      <Modes name={name} mode={target.mode ?? "active"} onMode={onMode} />
    </li>
  );
}

/** The traffic's target is named as the rule names it; an IP address has no name. Two targets may have one address. */
function isOf(
  name: string,
  address: string,
  target: IngressTarget,
  status: TargetStatus | undefined,
): boolean {
  const own = target.instance ?? target.service ?? target.address;
  if (name !== "") return name === own || name === `${own}:${target.port}`;
  return status?.addresses.some((one) => one.address === address) === true;
}

function ShareBar({ share }: { readonly share: number }): JSX.Element {
  return (
    <svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      <rect width="100" height="4" />
      <rect class="part" width={Math.max(share * 100, share > 0 ? 1 : 0)} height="4" />
    </svg>
  );
}

function TargetState({ status }: { readonly status: TargetStatus | undefined }): JSX.Element | null {
  if (status === undefined) return null;
  const { mode, resolved, addresses, reason } = status;
  if (mode === "drain")
    return (
      <State tone="warn" icon="drain">
        drained
      </State>
    );
  if (mode === "pause")
    return (
      <State tone="warn" icon="pause">
        paused
      </State>
    );
  if (!resolved && addresses.length === 0)
    return (
      <State tone={reason === undefined ? "quiet" : "bad"} title={reason}>
        {reason === undefined ? "at request time" : "no address"}
      </State>
    );
  const [tone, word] = health(addresses.map((one) => one.health));
  return <State tone={tone}>{word}</State>;
}

function health(all: readonly string[]): readonly [Tone, string] {
  const bad = all.filter((one) => one === "unhealthy").length;
  if (bad > 0)
    return bad === all.length ? ["bad", "unhealthy"] : ["warn", `${bad} of ${all.length} unhealthy`];
  if (all.includes("healthy")) return ["ok", "healthy"];
  return all.includes("unknown") ? ["quiet", "being checked"] : ["ok", "takes requests"];
}
