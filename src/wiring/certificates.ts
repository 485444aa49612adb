import { readFile } from "node:fs/promises";
import type { CertificateSource } from "../caddy/caddy-api.ts";
import { startAskServer } from "../certificates/ask-server.ts";
import { certificateCondition } from "../certificates/condition.ts";
import { readStoredCertificate, type StoredCertificate } from "../certificates/imported-certificate.ts";
import { ImportedCertificates } from "../certificates/imported-certificates.ts";
import { CertificateMonitor } from "../certificates/monitor.ts";
import { OnDemandNames } from "../certificates/on-demand-names.ts";
import { CertificateReport } from "../certificates/report.ts";
import { StoredCertificates } from "../certificates/stored-certificates.ts";
import { UnservedRules } from "../certificates/unserved-rules.ts";
import { tlsWarnings } from "../certificates/warnings.ts";
import { apiClaimant } from "../compiler/api-rows.ts";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { RunningManager } from "../manager/manager.ts";
import type { Ingress } from "../model/api.ts";
import type { EventSink } from "../model/event.ts";
import type { InstanceResolver } from "../resolver/instance-resolver.ts";
import type { StatusContributor } from "../status/condition.ts";
import type { IngressStore } from "../store/ingress-store.ts";
import type { ControlMetrics } from "../telemetry/control-metrics.ts";
import { caddyFolder, compilerSettings, tlsSettings } from "./compiler-settings.ts";
import { openSet, type SharedStore } from "./shared-store.ts";

/** Opens the imported certificates and writes the files that Caddy reads. Throws `config_invalid` for ACME_CA_ROOT. */
export async function openCertificates(
  config: Config,
  logger: Logger,
  {
    events,
    metrics,
    shared,
  }: {
    readonly events: EventSink;
    readonly metrics: Pick<ControlMetrics, "store">;
    readonly shared: SharedStore | undefined;
  },
): Promise<ImportedCertificates> {
  await checkRoot(config);
  const store = openSet<StoredCertificate>(config, shared, "certificates", {
    validate: readStoredCertificate,
    track: metrics.store("certificates"),
    // No rule may have come to use what goes, at any gateway.
    restsOn: ({ deletes }) =>
      deletes.length === 0 ? [] : [{ set: "ingresses", revision: imported.rulesRevision }],
  });
  const imported = new ImportedCertificates({ store, folder: caddyFolder(config), events, logger });
  await imported.open();
  return imported;
}

/** With a root that it cannot read, Caddy would refuse every configuration. */
async function checkRoot({ tls }: Config): Promise<void> {
  const path = tls.acme?.caRoot;
  if (path === undefined) return;
  const text = await readFile(path, "utf8").catch(() => "");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return;
  const message = `ACME_CA_ROOT: ${path} is no readable PEM file with certificates; correct it, or unset it`;
  throw new GatewrightError("config_invalid", message, {
    details: [{ code: "invalid_value", field: "ACME_CA_ROOT", message }],
  });
}

export interface FollowOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly api: CertificateSource;
  readonly manager: RunningManager;
  readonly imported: ImportedCertificates;
  readonly resolver: InstanceResolver;
  /** Hears of orders and of certificates that end soon. */
  readonly events: EventSink;
  /** The ingresses; changes are looked at for what should be warned of. */
  readonly store: Pick<IngressStore, "watch">;
}

/** What is known of certificates, once ingresses are served. */
export interface Certificates {
  readonly report: CertificateReport;
  readonly imported: ImportedCertificates;
  readonly condition: StatusContributor;
  /** What is wrong with the certificate of API_HOSTNAME, for `/ready`. */
  readonly apiReasons: () => readonly string[];
  readonly unserved: UnservedRules;
  /** Present where certificates are ordered on demand. */
  readonly onDemand: Pick<OnDemandNames, "answers"> | undefined;
  close(): Promise<void>;
}

/** Connects imports with Caddy, follows what Caddy manages, and answers its questions. */
export async function followCertificates(options: FollowOptions): Promise<Certificates> {
  const { config, imported, logger, manager } = options;
  const { tls } = manager;
  imported.connect({
    usesOf: (id) => tls.usesOf({ kind: "certificate", id }),
    reload: () => tls.reload(),
    confirm: () => manager.ingresses.confirm(),
    revision: () => manager.ingresses.revision,
  });
  const stored = await StoredCertificates.list(caddyFolder(config));
  const onDemand = config.tls.onDemand ? onDemandNames(options, stored) : undefined;
  const monitor = createMonitor(options, stored, onDemand);
  const settings = tlsSettings(config);
  const { unserved, unwatch } = followRules(options);
  const ask =
    onDemand === undefined
      ? undefined
      : await startAskServer({ port: config.tls.askPort, names: onDemand, logger });
  monitor.start();
  const ending = new AbortController();
  void reportCloudflare(options, ending.signal);
  const report = createReport(options, monitor, onDemand);
  return {
    report,
    imported,
    unserved,
    onDemand,
    condition: certificateCondition({ settings, monitor, imported }),
    apiReasons: apiReasons(config, { monitor, imported }),
    close: async () => {
      ending.abort();
      unwatch();
      monitor.stop();
      await ask?.close();
      await imported.close();
    },
  };
}

function apiReasons(
  config: Config,
  known: Omit<Parameters<typeof certificateCondition>[0], "settings">,
): () => readonly string[] {
  const claimant = apiClaimant(compilerSettings(config));
  if (claimant === undefined) return () => [];
  const conditionOf = certificateCondition({
    ...known,
    settings: { ...tlsSettings(config), onDemand: false },
  });
  return () => {
    const condition = conditionOf(claimant);
    return condition === undefined || condition.status === "True"
      ? []
      : [`the certificate of API_HOSTNAME is not there: ${condition.message}`];
  };
}

function createMonitor(
  { api, config, events, imported, logger, manager: { tls } }: FollowOptions,
  stored: StoredCertificates,
  onDemand: OnDemandNames | undefined,
): CertificateMonitor {
  return new CertificateMonitor({
    api,
    names: () => ({
      generation: `${tls.generation()} ${onDemand?.changes}`,
      names: () => [...(onDemand?.names() ?? []), ...tls.names()],
    }),
    stored: (name) => stored.find(name),
    imported: () =>
      imported.list().map(({ id, name, facts }) => ({ name: name ?? id, notAfter: facts.notAfter })),
    events,
    logger,
    expiryWarningMs: config.tls.expiryWarning.ms,
  });
}

/** Warns of what ingresses ask of TLS, and keeps the rules that have no certificate, now and at each change. */
function followRules({ config, logger, manager, store }: FollowOptions): {
  readonly unserved: UnservedRules;
  unwatch(): void;
} {
  const settings = tlsSettings(config);
  const unserved = new UnservedRules(settings);
  const note = (changed: Iterable<Ingress>): void => {
    for (const ingress of changed) unserved.put(ingress);
    for (const { message, fields } of tlsWarnings(changed, settings)) logger.warn(message, fields);
  };
  note([...manager.ingresses.list()]);
  const unwatch = store.watch(({ puts, deletes }) => {
    for (const id of deletes) unserved.remove(id);
    note(puts);
  });
  return { unserved, unwatch };
}

function createReport(
  { imported, manager: { tls } }: FollowOptions,
  monitor: CertificateMonitor,
  onDemand: OnDemandNames | undefined,
): CertificateReport {
  return new CertificateReport({
    monitor,
    imported,
    usesOf: (name, source) =>
      source === "imported"
        ? tls.usesOf({ kind: "certificate", id: name })
        : tls.usesOfName(name) || (onDemand?.rulesOf(name).length ?? 0),
  });
}

function onDemandNames(
  { config, manager, resolver }: FollowOptions,
  stored: StoredCertificates,
): OnDemandNames {
  const names = new OnDemandNames({
    settings: tlsSettings(config),
    rules: () => ({
      // That of the rules below: with one of rules that are being staged, what is known would count for them, too.
      generation: manager.tls.committed(),
      rules: () => [...manager.ingresses.list()].flatMap(({ rules }) => rules),
    }),
    resolver,
  });
  names.remember(stored.names());
  return names;
}

/** Whether the token can do what DNS-01 takes; in the log, while serving goes on. */
async function reportCloudflare(
  { config, logger, manager: { tls } }: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  const dns = config.tls.acme?.dns;
  const names = tls.names().flatMap(({ issuer, subject }) => (issuer === "acme" ? [subject] : []));
  if (dns === undefined || names.length === 0) return;
  // Only here: its library takes a quarter of a second to load.
  const { checkCloudflare } = await import("../certificates/cloudflare-check.ts");
  const { isFit, lines } = await checkCloudflare({ token: dns.token.reveal(), names, signal });
  if (signal.aborted) return;
  for (const line of lines) logger[isFit ? "debug" : "warn"](line);
}
