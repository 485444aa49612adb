import { GatewrightError } from "../../errors.ts";
import type { EtcdClient } from "./client.ts";
import { messageOf } from "./patience.ts";
import { endOf, type KeyValue } from "./wire.ts";

/** What a gateway says of itself. */
export interface GatewayEntry {
  readonly name: string;
  /** Tells this data folder from others. */
  readonly instance: string;
  readonly version: string;
  /** RFC 3339. */
  readonly started_at: string;
  /** The last revision of the ingresses that it serves. */
  readonly revision: number;
  /** Whether it serves what is stored. */
  readonly ready: boolean;
}

export interface RegistrationOptions {
  readonly client: EtcdClient;
  /** Ends in a slash. */
  readonly prefix: string;
  /** What is to be said now. */
  readonly entry: () => GatewayEntry;
  /** How long a gateway that died is still there, in seconds. Default: 15. */
  readonly leaseSeconds?: number;
  /** How often what changed is said. Default: 1000. */
  readonly everyMs?: number;
}

/**
 * Registers a gateway by its name for as long as it lives: on a lease, which ends with it. A name belongs to the data folder
 * that has it; where etcd is away, or forgot the lease, it is registered as soon as that is possible.
 */
export class Registration {
  readonly #options: RegistrationOptions;
  #lease: string | undefined;
  #said: { readonly text: string; readonly modRevision: number } | undefined;
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  /** Whether another gateway has the name. */
  #isTaken = false;
  #keptAt = 0;
  #closed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** Registers. Throws `config_invalid` where another gateway has the name; what else fails is tried again. */
  async start(): Promise<void> {
    await this.#say();
    if (this.#isTaken && this.#problem !== undefined)
      throw new GatewrightError("config_invalid", this.#problem, {
        details: [{ code: "invalid_value", field: "GATEWAY_NAME", message: this.#problem }],
      });
    this.#again();
  }

  /** Why it is not registered, for operators; empty when it is. */
  reasons(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  /** All that are registered, by name. Throws EtcdFailure. */
  async list(): Promise<readonly GatewayEntry[]> {
    const key = `${this.#options.prefix}gateways/`;
    const { items } = await this.#options.client.range({ key, end: endOf(key) });
    return items.flatMap((item) => entryOf(item) ?? []);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn;
    const lease = this.#lease;
    // Where etcd is away, the lease ends by itself.
    if (lease !== undefined) await this.#options.client.revokeLease(lease).catch(() => undefined);
  }

  #again(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#say().then(() => this.#again());
    }, this.#options.everyMs ?? 1000).unref();
  }

  async #say(): Promise<void> {
    try {
      await this.#keep();
      await this.#write();
    } catch (error) {
      this.#problem = `this gateway is not registered: ${messageOf(error)}`;
    }
  }

  async #keep(): Promise<void> {
    const { client, leaseSeconds = 15 } = this.#options;
    if (this.#lease !== undefined) {
      // A third of its time is left for a member to fail.
      if (performance.now() - this.#keptAt < (leaseSeconds * 1000) / 3) return;
      if (!(await client.keepLease(this.#lease))) this.#lease = undefined;
    }
    if (this.#lease === undefined) {
      this.#said = undefined;
      this.#lease = await client.grantLease(leaseSeconds);
    }
    this.#keptAt = performance.now();
  }

  async #write(): Promise<void> {
    const { client, entry, prefix } = this.#options;
    const present = entry();
    const text = JSON.stringify(present);
    if (this.#said?.text === text || this.#lease === undefined) return;
    const key = `${prefix}gateways/${present.name}`;
    let modRevision = this.#said?.modRevision ?? 0;
    for (;;) {
      const answer = await client.transact({
        compare: [{ key, modRevision }],
        success: [{ kind: "put", key, value: text, lease: this.#lease }],
        failure: [{ kind: "range", key }],
      });
      if (answer.succeeded) {
        this.#said = { text, modRevision: answer.revision };
        this.#problem = undefined;
        this.#isTaken = false;
        return;
      }
      const holder = answer.ranges[0]?.items[0];
      const other = holder === undefined ? undefined : entryOf(holder);
      if (other !== undefined && other.instance !== present.instance) {
        this.#said = undefined;
        this.#isTaken = true;
        this.#problem = `GATEWAY_NAME=${present.name} is the name of another gateway, which runs since ${other.started_at}; give each a name of its own`;
        return;
      }
      modRevision = holder?.modRevision ?? 0;
    }
  }
}

/** Undefined for what is none. */
function entryOf({ value }: KeyValue): GatewayEntry | undefined {
  try {
    const read = JSON.parse(value.toString()) as Partial<GatewayEntry>;
    return typeof read.name === "string" && typeof read.instance === "string"
      ? (read as GatewayEntry)
      : undefined;
  } catch {
    return undefined;
  }
}
