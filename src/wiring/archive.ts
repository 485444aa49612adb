import type { ArchiveKind } from "../archive/archive-kind.ts";
import { Exporter } from "../archive/exporter.ts";
import type { ImportStep } from "../archive/import-step.ts";
import { Importer } from "../archive/importer.ts";
import { readStoredCertificate } from "../certificates/imported-certificate.ts";
import type { ImportedCertificates } from "../certificates/imported-certificates.ts";
import { isGatewrightError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import type { IngressService } from "../manager/ingress-service.ts";
import { parseInstance } from "../resolver/instance-reader.ts";
import type { InstanceRegistry } from "../resolver/registry.ts";
import type { Document } from "../store/document-store.ts";
import { parseTraffic } from "../targets/instance-modes.ts";
import type { Targets } from "../targets/targets.ts";
import { checkTokenLimits } from "../tokens/request.ts";
import { readStoredToken, type StoredToken } from "../tokens/stored-token.ts";
import type { Tokens } from "../tokens/tokens.ts";
import { type Track, untracked } from "../util/track.ts";
import type { ListenPorts } from "../validation/ingress.ts";
import { parseBody } from "../validation/schema.ts";

/** What archives are made of, and go to. */
export interface ArchiveParts {
  readonly ingresses: Pick<IngressService, "list" | "setAside" | "restore" | "apply">;
  /** Absent: instances come from elsewhere. */
  readonly registry: Pick<InstanceRegistry, "list" | "restore" | "delete"> | undefined;
  readonly targets: Pick<Targets, "modes" | "traffic">;
  readonly imported: Pick<ImportedCertificates, "stored" | "restore" | "delete">;
  readonly tokens: Pick<Tokens, "stored" | "restore" | "delete">;
  readonly ports: ListenPorts;
}

/** Export and import. */
export interface Archive {
  readonly exporter: Exporter;
  readonly importer: Importer;
}

/** How archives are made and taken in. */
export interface ArchiveOptions {
  /** DATA_DIR. */
  readonly folder: string;
  /** Names of the settings that were given. */
  readonly settings: readonly string[];
  readonly version: string;
  readonly logger: Logger;
  readonly track?: Track<ImportStep> | undefined;
}

/** Export and import of a whole Gatewright. Ends what a crash left of an import. */
export async function openArchive(
  parts: ArchiveParts,
  { folder, logger, settings, track = untracked, version }: ArchiveOptions,
): Promise<Archive> {
  const kinds = kindsOf(parts);
  const { ingresses } = parts;
  const importer = new Importer({
    folder,
    kinds,
    alsoInTheWay: () => {
      const { length } = ingresses.setAside();
      return length === 0 ? [] : [`${length} ingresses that are set aside`];
    },
    logger,
    track,
  });
  await importer.recover();
  const exporter = new Exporter({ kinds, setAside: () => ingresses.setAside(), version, settings });
  return { exporter, importer };
}

const MOST_INSTANCES = 1000;

/** Each kind's own type ends here: an archive gives a kind what the kind has read. */
function kindsOf({
  imported,
  ingresses,
  ports,
  registry,
  targets,
  tokens,
}: ArchiveParts): readonly ArchiveKind[] {
  return [
    kind({
      name: "certificate",
      list: () => imported.stored(),
      read: readStoredCertificate,
      put: (all, by) => imported.restore(all, by),
      remove: (ids, by) => each(ids, (id) => imported.delete(id, by)),
    }),
    kind({
      name: "token",
      list: () => tokens.stored(),
      read: readArchivedToken,
      put: (all, by) => tokens.restore(all, by),
      remove: (ids, by) => each(ids, (id) => tokens.delete(id, by)),
    }),
    ...(registry === undefined
      ? []
      : [
          kind({
            name: "instance",
            list: () => registry.list(),
            read: parseInstance,
            // In commits as large as the registry's own, between which DNS answers.
            put: async (all, by) => {
              for (let at = 0; at < all.length; at += MOST_INSTANCES)
                await registry.restore(all.slice(at, at + MOST_INSTANCES), by);
            },
            remove: (ids, by) => each(ids, (id) => registry.delete(id, by)),
          }),
        ]),
    kind({
      name: "traffic",
      list: () => targets.modes.list(),
      read: parseTraffic,
      put: (all, by) => targets.modes.restore(all, by),
      remove: (ids, by) => each(ids, (id) => targets.traffic.set(id, "active", undefined, by)),
    }),
    kind({
      name: "ingress",
      list: () => ingresses.list(),
      read: (value) => readStoredIngress(value, ports),
      put: (all, by) => ingresses.restore(all, by),
      remove: async (ids, by) => {
        const gone = new Set(ids);
        await ingresses.apply({ ingresses: [], goes: ({ id }) => gone.has(id) }, by);
      },
    }),
  ];
}

/**
 * Whoever wrote an archive by hand is held to what `POST /tokens` takes: a scope that does not exist would be given to the token by
 * a later version, and limits that cannot be read would limit nothing.
 */
function readArchivedToken(value: unknown): StoredToken {
  const token = readStoredToken(value);
  const { limits, name, scopes, subject } = token;
  try {
    const request = { name, subject, scopes, ...(limits === undefined ? {} : { limits }) };
    checkTokenLimits(parseBody("CreateTokenRequest", request));
  } catch (error) {
    const [first] = isGatewrightError(error) ? error.details : [];
    if (first === undefined) throw error;
    throw new Error(`${first.field}: ${first.message}`, { cause: error });
  }
  return token;
}

function kind<T extends Document>(one: ArchiveKind<T>): ArchiveKind {
  return one as unknown as ArchiveKind;
}

/** Together, so that they share commits. What is not there is as it shall be. */
async function each(ids: readonly string[], remove: (id: string) => Promise<unknown>): Promise<void> {
  await Promise.all(
    ids.map((id) =>
      remove(id).catch((error: unknown) => {
        if (!isGatewrightError(error, "not_found")) throw error;
      }),
    ),
  );
}
