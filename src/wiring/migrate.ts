import { join } from "node:path";
import { readStoredCertificate } from "../certificates/imported-certificate.ts";
import type { Config } from "../config.ts";
import { GatewrightError } from "../errors.ts";
import { readStoredIngress } from "../manager/fill-catalog.ts";
import { parseInstance } from "../resolver/instance-reader.ts";
import type { Document } from "../store/document-store.ts";
import { removeDurably, writeDurably } from "../store/durable.ts";
import type { EtcdClient } from "../store/etcd/client.ts";
import { DocumentSet } from "../store/etcd/document-set.ts";
import { endOf } from "../store/etcd/wire.ts";
import { type FileStore, openFileStore } from "../store/file-store.ts";
import { storeId } from "../store/store-id.ts";
import { parseTraffic } from "../targets/instance-modes.ts";
import { readStoredToken } from "../tokens/stored-token.ts";
import { admissionSettings } from "./admission-settings.ts";
import { MIGRATION_FILE, migrationKey, readMigrationFile } from "./migration.ts";
import { openEtcd } from "./open-etcd.ts";
import { type SetName, setNames } from "./set-folder.ts";

/** Where documents are moved. */
export const migrationTargets = ["etcd", "files"] as const;

export type MigrationTarget = (typeof migrationTargets)[number];

/** A set in both places. */
interface MovedSet {
  readonly name: SetName;
  readonly files: FileStore<Document>;
  /** Of the files. */
  readonly revision: number;
  readonly documents: readonly Document[];
  readonly shared: DocumentSet;
}

interface Move {
  readonly client: EtcdClient;
  readonly prefix: string;
  readonly dataDir: string;
  readonly sets: readonly MovedSet[];
}

/** Documents of one commit. */
const PIECE = 1_000;

/**
 * Copies all documents from the folders of DATA_DIR to the etcd of the settings, or back, ids and times included; where they come from they
 * stay. A target that has something is refused, unless it is what a run that was cut off has left: that is finished. Returns
 * how many there are of each set. Throws `config_invalid`, `bad_request`, `store_unavailable`.
 */
export async function migrateStore(
  config: Config,
  target: MigrationTarget,
): Promise<ReadonlyMap<SetName, number>> {
  const { dataDir, store } = config;
  if (store.kind !== "etcd")
    throw new GatewrightError(
      "config_invalid",
      "STORE is files: in both directions give the settings of the gateways that use etcd (STORE=etcd, ETCD_ENDPOINTS, STORE_KEY)",
    );
  const { prefix } = store;
  const { client, sealer } = await openEtcd(store);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => client.close());
  await refuseLiving(client, prefix);
  const sets: MovedSet[] = [];
  for (const name of setNames) {
    const files = openFileStore<Document>({ folder: join(dataDir, name), validate: checked(config, name) });
    const { documents, revision, unreadable } = await files.open();
    stack.defer(() => files.close());
    const [first] = unreadable;
    if (first !== undefined)
      throw refused(`${first.path} cannot be read: ${first.reason}; mend it, or take it out of the folder`);
    const shared = new DocumentSet({ client, sealer, prefix, set: name });
    sets.push({ name, files, revision, documents, shared });
  }
  const move: Move = { client, prefix, dataDir, sets };
  return await (target === "etcd" ? toEtcd(move) : toFiles(move));
}

async function toEtcd({ client, dataDir, prefix, sets }: Move): Promise<ReadonlyMap<SetName, number>> {
  const key = migrationKey(prefix);
  const from = await storeId(join(dataDir, "ingresses"));
  const heads = sets.map(({ name }) => ({ key: `${prefix}sets/${name}/head`, modRevision: 0 }));
  const begun = await client.transact({
    compare: [{ key, modRevision: 0 }, ...heads],
    success: [{ kind: "put", key, value: from }],
    failure: [{ kind: "range", key }],
  });
  const marker = begun.ranges[0]?.items[0]?.value.toString();
  if (!begun.succeeded && marker === undefined)
    throw refused("etcd has documents below ETCD_PREFIX already; name another prefix, or remove them");
  if (!begun.succeeded && marker !== from)
    throw refused("documents of another DATA_DIR are being moved to this etcd; finish that there");
  const moved = new Map<SetName, number>();
  for (const { documents, name, shared } of sets) {
    const present = await shared.whole();
    const { deletes, puts } = difference(present.documents, documents);
    let { head } = present;
    for (const piece of pieces(puts, deletes)) {
      const prepared = await shared.prepare(piece, head);
      const attempt = await prepared.attempt();
      if (attempt.kind === "conflict") throw changed();
      await shared.finish();
      head = attempt.head;
    }
    moved.set(name, documents.length);
  }
  await refuseLiving(client, prefix);
  await client.transact({ compare: [], success: [{ kind: "delete", key }] });
  return moved;
}

async function toFiles({ client, dataDir, prefix, sets }: Move): Promise<ReadonlyMap<SetName, number>> {
  const path = join(dataDir, MIGRATION_FILE);
  const marker = `${JSON.stringify({ from: prefix })}\n`;
  const before = await readMigrationFile(dataDir);
  if (before !== undefined && before !== marker)
    throw refused(`${path} is of a move from elsewhere; finish that, or empty DATA_DIR`);
  const taken = sets.find(({ documents }) => documents.length > 0);
  if (before === undefined && taken !== undefined)
    throw refused(
      `${join(dataDir, taken.name)} has documents already; name another DATA_DIR, or move them away`,
    );
  const moving = (await client.range({ key: migrationKey(prefix) })).items.length > 0;
  if (moving) throw refused("etcd itself has a part of what was to be moved there; finish that first");
  await writeDurably(path, marker);
  const moved = new Map<SetName, number>();
  const heads: { readonly shared: DocumentSet; readonly id: string }[] = [];
  for (const { documents, files, name, revision, shared } of sets) {
    const source = await shared.whole();
    const { deletes, puts } = difference(documents, source.documents);
    let expected = revision;
    for (const piece of pieces(puts, deletes)) expected = await files.commit({ ...piece, expected });
    heads.push({ shared, id: source.head.id });
    moved.set(name, source.documents.length);
  }
  for (const { id, shared } of heads) if ((await shared.head()).id !== id) throw changed();
  await refuseLiving(client, prefix);
  await removeDurably(path);
  return moved;
}

/** Checks a document as its set does, and leaves it as it is. */
function checked(config: Config, name: SetName): (value: unknown) => Document {
  const { ports } = admissionSettings(config);
  const readers: { readonly [set in SetName]: (value: unknown) => Document } = {
    certificates: readStoredCertificate,
    ingresses: (value) => readStoredIngress(value, ports),
    instances: parseInstance,
    tokens: readStoredToken,
    traffic: parseTraffic,
  };
  return (value) => {
    readers[name](value);
    return value as Document;
  };
}

/** What makes the present documents those that are wanted. */
function difference(present: readonly Document[], wanted: readonly Document[]) {
  const texts = new Map(present.map((one) => [one.id, JSON.stringify(one)]));
  const ids = new Set(wanted.map(({ id }) => id));
  return {
    puts: wanted.filter((one) => texts.get(one.id) !== JSON.stringify(one)),
    deletes: [...texts.keys()].filter((id) => !ids.has(id)),
  };
}

function* pieces(puts: readonly Document[], deletes: readonly string[]) {
  for (let at = 0; at < deletes.length; at += PIECE)
    yield { puts: [], deletes: deletes.slice(at, at + PIECE) };
  for (let at = 0; at < puts.length; at += PIECE) yield { puts: puts.slice(at, at + PIECE), deletes: [] };
}

async function refuseLiving(client: EtcdClient, prefix: string): Promise<void> {
  const folder = `${prefix}gateways/`;
  const { items } = await client.range({ key: folder, end: endOf(folder), keysOnly: true });
  if (items.length === 0) return;
  const names = items.map(({ key }) => key.slice(folder.length)).join(", ");
  throw refused(
    `gateways run on this etcd: ${names}; stop them first (one that died is there for 15 seconds)`,
  );
}

function changed(): GatewrightError {
  return refused("somebody has changed etcd meanwhile; stop all gateways, and begin again");
}

function refused(message: string): GatewrightError {
  return new GatewrightError("bad_request", message);
}
