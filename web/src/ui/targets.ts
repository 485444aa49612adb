import type { IngressRuleInput, IngressTarget } from "../data/types.ts";

/** The targets of a rule: its pool, or its only one. */
export function targetsOf({
  target,
  targets,
}: Pick<IngressRuleInput, "target" | "targets">): readonly IngressTarget[] {
  return targets ?? (target === undefined ? [] : [target]);
}

/** `web-1`, `service web`, `10.0.0.5` */
export function targetName({ instance, service, address }: IngressTarget): string {
  return instance ?? (service === undefined ? (address ?? "") : `service ${service}`);
}

/** `shop.example.com:8000/api` as people write it. */
export function hostText({ match, tls }: Pick<IngressRuleInput, "match" | "tls">): string {
  const { protocol = "http", hostname = "*", port, path } = match;
  if (protocol === "tcp" || protocol === "udp") return `${protocol} :${port}`;
  const usual = tls === true || protocol === "tls" ? 443 : 80;
  const shown = port === undefined || port === null || port === 0 || port === usual ? "" : `:${port}`;
  return `${hostname}${shown}${path?.value ?? ""}`;
}

/** Where a browser finds it; undefined for what is no web page. */
export function urlOf({ match, tls }: Pick<IngressRuleInput, "match" | "tls">): string | undefined {
  const { protocol = "http", hostname = "*", port, path } = match;
  if (protocol !== "http" || /[*{]/.test(hostname)) return undefined;
  const usual = tls === true ? 443 : 80;
  const shown = port === undefined || port === null || port === 0 || port === usual ? "" : `:${port}`;
  return `${tls === true ? "https" : "http"}://${hostname}${shown}${path?.value ?? "/"}`;
}
