/** What a call did to one hostname, or told of it, as test/linearizability reads it. */
export interface Operation {
  readonly client: number;
  /** Nanoseconds of one clock. */
  readonly call: number;
  /** Absent where nobody knows what became of it. */
  readonly return?: number;
  readonly host: string;
  /**
   * `take`: the hostname is the first name's now; it was nobody's, or of one of `over`. `release`: it is none of the names' any
   * more. `held`: it is somebody else's. `absent`: it is not the name's. `read`: it is the name's, or nobody's without one.
   */
  readonly do: "take" | "release" | "held" | "absent" | "read";
  readonly names: readonly string[];
  readonly port?: number;
  readonly over?: readonly string[];
}

export interface Holder {
  readonly name: string;
  readonly port: number;
}

/** Between two moments at which nothing was under way. */
export interface Round {
  readonly before: { readonly [host: string]: Holder };
  readonly operations: readonly Operation[];
}

/** What an operation is, but for its time and client. */
export type Effect = Omit<Operation, "call" | "client" | "return">;

const now = (): number => Number(process.hrtime.bigint());

/** Notes what clients do. */
export class Recorder {
  #operations: Operation[] = [];
  /** How many calls ended how. */
  readonly counts: Record<string, number> = {};

  /**
   * Makes a call, and notes its effects: those of its answer, or those that it would have had where nobody knows. Returns what
   * the call tells.
   */
  async call<
    Told extends { readonly kind: string; readonly effects: readonly Effect[]; readonly isOpen?: boolean },
  >(client: number, make: () => Promise<Told>): Promise<Told> {
    const begun = now();
    const told = await make();
    const end = told.isOpen === true ? {} : { return: now() };
    this.counts[told.kind] = (this.counts[told.kind] ?? 0) + 1;
    for (const effect of told.effects) this.#operations.push({ client, call: begun, ...end, ...effect });
    return told;
  }

  /** What was noted since the last time. */
  take(): readonly Operation[] {
    return this.#operations.splice(0);
  }
}
