import type { Config } from "../config.ts";
import { admissionSettings } from "./admission-settings.ts";
import { type ArchiveOptions, openArchive } from "./archive.ts";
import { openCaddy } from "./caddy.ts";
import { followCertificates, openCertificates } from "./certificates.ts";
import { takeDataFolder } from "./data-folder.ts";
import { type Foundation, type GatewrightOptions, layFoundation } from "./foundation.ts";
import { type Gateways, registerGateway } from "./gateways.ts";
import { openIngresses } from "./ingresses.ts";
import { startInstances } from "./instance-dns.ts";
import { openJwts } from "./jwts.ts";
import { Lifetime } from "./lifetime.ts";
import { serveIngresses } from "./manager.ts";
import { type RenewedParts, renewSettings } from "./reload.ts";
import { startedEvent } from "./started-event.ts";
import { createTargets } from "./targets.ts";
import { openTokens } from "./tokens.ts";

/** A Gatewright that serves. */
export interface Gatewright {
  /** The settings in force, open ports chosen. */
  readonly config: Config;
  /** Takes the secrets and log levels of these settings; see `renewSettings`. */
  renew(next: Config): Promise<void>;
  /** Waits for what is under way; Caddy ends too with CADDY_STOP_ON_SHUTDOWN. */
  stop(): Promise<void>;
}

/** Starts everything in the order in which it depends on each other, and stops it in the reverse one. */
export async function startGatewright(options: GatewrightOptions): Promise<Gatewright> {
  await using lifetime = new Lifetime();
  const foundation = await layFoundation(options, lifetime);
  const { api, config, events, logger, shared, version } = foundation;
  const gateways = lifetime.add(await registerGateway(config, shared, version));
  const { dns, instances } = await startInstances(foundation, lifetime);
  const { registry, resolver, wake } = instances;
  const caddy = lifetime.add(await openCaddy({ ...foundation, logger: logger.child("caddy") }));
  const imported = await openCertificates(config, logger.child("certificates"), foundation);
  const store = openIngresses({ ...foundation, imported });
  const found = { api: caddy.api, events, imported, resolver };
  const targets = lifetime.add(
    await createTargets(config, shared, { ...found, ingresses: store, logger, wake }),
  );
  const { feeds } = targets;
  const manager = lifetime.add(
    await serveIngresses(foundation, { caddy, feeds, imported, instances, store }),
  );
  const { ingresses } = manager;
  gateways.tellOf(ingresses);
  // The process that holds the store is the only one to write here.
  await takeDataFolder(config.dataDir, version);
  targets.follow(ingresses.list());
  const certificates = lifetime.add(
    await followCertificates({ ...found, config, logger: logger.child("certificates"), manager, store }),
  );
  const tokens = lifetime.add(await openTokens(config, { events, logger: logger.child("api"), shared }));
  const { ports } = admissionSettings(config);
  const archived = { imported, ingresses, ports, registry, targets, tokens };
  const archive = await openArchive(archived, archiveOptions(foundation));
  const jwts = lifetime.add(openJwts(config, logger.child("api"))).verifier;
  events.emit(await startedEvent(config, version));
  const parts = { ...foundation, archive, caddy, certificates, dns, gateways, instances, jwts };
  await api.serve(config, { ...parts, manager, shared, targets, tokens, logger: logger.child("api") });
  const renewed = { ...foundation, caddy, instances, jwts, manager, shared };
  return running({ ...foundation, gateways }, lifetime.move(), renewed);
}

/** An archive is made and taken in by the process that has the folder, and names the settings that were given. */
function archiveOptions({ config, logger, track, version }: Foundation): ArchiveOptions {
  const settings = Object.keys(config.given).sort();
  return { folder: config.dataDir, logger: logger.child("store"), settings, track, version };
}

function running(
  { api, config, events, gateways }: Foundation & { readonly gateways: Gateways },
  lifetime: Lifetime,
  renewed: RenewedParts,
): Gatewright {
  return {
    config,
    renew: (next) => renewSettings(next, renewed),
    stop: async () => {
      events.emit({ type: "gateway.stopping", message: "Gatewright is stopping" });
      // At once: a question to `/ready` after the signal must not be answered by the process that ends.
      const closed = api.close();
      // Nobody is to wait for this gateway any more.
      await gateways.close();
      await lifetime[Symbol.asyncDispose]();
      await closed;
    },
  };
}
