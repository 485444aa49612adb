import type { EtcdClient } from "./client.ts";
import type { MemberRoom } from "./member-room.ts";

export interface UpkeepOptions {
  readonly client: Pick<EtcdClient, "room">;
  /** Default: a minute. */
  readonly everyMs?: number;
}

/** From this part of the quota on it is warned. */
const NEARLY_FULL = 0.8;
/** Where less of the file is in use than this part, defragmenting helps. */
const LOOSE = 0.6;

/** Watches how much room etcd has, so that its operators hear of it before it refuses changes. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #room: readonly MemberRoom[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    void this.look();
  }

  /** Asks every member now. One that does not answer is left out: whether etcd answers is told elsewhere. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#room = await this.#options.client.room();
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.look(), this.#options.everyMs ?? 60_000).unref();
  }

  /** As of the last look. */
  get room(): readonly MemberRoom[] {
    return this.#room;
  }

  /** What operators should do. */
  problems(): readonly string[] {
    return this.#room.flatMap(problemsOf);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}

/** What is wrong with the room of a member, each with the remedy. */
export function problemsOf({ alarms, endpoint, quota, size, used }: MemberRoom): readonly string[] {
  const who = `etcd (${endpoint})`;
  const problems: string[] = [];
  const isFull = alarms.some((alarm) => alarm.includes("NOSPACE"));
  if (isFull)
    problems.push(
      `${who} takes no changes, since its quota is full: compact its history, defragment its members one after another (etcdctl defrag), and clear the alarm (etcdctl alarm disarm)`,
    );
  if (alarms.some((alarm) => alarm.includes("CORRUPT")))
    problems.push(
      `${who} has the alarm CORRUPT: its members differ; restore a snapshot, or replace the member`,
    );
  if (isFull || quota === undefined || size < quota * NEARLY_FULL) return problems;
  const remedy =
    used < size * LOOSE
      ? `defragment it, which frees ${mebibytes(size - used)}`
      : "have its history compacted (--auto-compaction-retention=1h), or raise --quota-backend-bytes";
  const part = `${Math.round((size / quota) * 100)} % (${mebibytes(size)} of ${mebibytes(quota)})`;
  return [
    ...problems,
    `${who} has used ${part} of its quota, and takes no changes when that is full: ${remedy}`,
  ];
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
