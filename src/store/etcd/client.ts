import { Pool } from "undici";
import { connectionFailure, EtcdFailure, failureOf } from "./failure.ts";
import type { MemberRoom } from "./member-room.ts";
import { messagesOf } from "./messages.ts";
import {
  bytes,
  fromWireEvent,
  fromWireRange,
  fromWireTransaction,
  type RangeAnswer,
  type RangeQuestion,
  type Transaction,
  type TransactionAnswer,
  toWireRange,
  toWireTransaction,
  type WatchEvent,
  type WireEvent,
  type WireHeader,
  type WireRange,
  type WireTransaction,
} from "./wire.ts";

export interface EtcdClientOptions {
  /** Origins, such as `https://10.0.0.1:2379`. */
  readonly endpoints: readonly string[];
  readonly user?: { readonly name: string; readonly password: string };
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** For one answer of one member. Default: 2,000 ms. */
  readonly timeoutMs?: number;
}

/** What a watch tells: changes in the order of their revisions. */
export interface WatchMessage {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** Most bytes of one message of a watch: a commit is 1 MiB at the most, and etcd puts several into one. */
const MOST_MESSAGE_BYTES = 512 * 1024 * 1024;

/**
 * etcd by its JSON gateway (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/, decision 13). Calls go to one member
 * for as long as it answers, and to the next one when it does not. All methods throw an EtcdFailure.
 */
export class EtcdClient {
  readonly #options: EtcdClientOptions;
  readonly #pools: readonly Pool[];
  #at = 0;
  #token: Promise<string> | undefined;
  #user: EtcdClientOptions["user"];

  constructor(options: EtcdClientOptions) {
    this.#options = options;
    this.#user = options.user;
    this.#pools = options.endpoints.map((origin) => {
      const connect = { ...options.tls, timeout: this.#timeoutMs };
      return new Pool(origin, { connect, connections: 32 });
    });
  }

  /** Reads at one moment: by a quorum where no revision is given. */
  async range(question: RangeQuestion): Promise<RangeAnswer> {
    return fromWireRange(
      await this.#call<WireRange>("/v3/kv/range", toWireRange(question), { canRepeat: true }),
    );
  }

  /**
   * Does all of it or nothing. A failure that is not certain says nothing of what became of it; who asks again must make
   * sure by what is compared that it is done once.
   */
  async transact(transaction: Transaction): Promise<TransactionAnswer> {
    return fromWireTransaction(
      await this.#call<WireTransaction>("/v3/kv/txn", toWireTransaction(transaction)),
    );
  }

  /** A lease that ends after so many seconds unless it is kept; returns its id. */
  async grantLease(seconds: number): Promise<string> {
    const { ID } = await this.#call<{ readonly ID: string }>(
      "/v3/lease/grant",
      { TTL: String(seconds) },
      { canRepeat: true },
    );
    return ID;
  }

  /** Whether the lease is still there; it then has its whole time again. */
  async keepLease(id: string): Promise<boolean> {
    const { result } = await this.#call<{ readonly result?: { readonly TTL?: string } }>(
      "/v3/lease/keepalive",
      { ID: id },
      { canRepeat: true },
    );
    return Number(result?.TTL ?? 0) > 0;
  }

  async revokeLease(id: string): Promise<void> {
    await this.#call("/v3/lease/revoke", { ID: id }, { canRepeat: true });
  }

  /**
   * What changes below a prefix from a revision on, until the signal ends it. Throws `compacted` where etcd has that
   * revision no more, and when the connection breaks. A member that is cut off from the others says nothing: whoever
   * watches has to ask now and then.
   */
  async *watch(
    prefix: { key: string; end: string },
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchMessage> {
    const at = this.#at;
    const body = {
      create_request: {
        key: bytes(prefix.key),
        range_end: bytes(prefix.end),
        start_revision: String(from),
      },
    };
    const response = await this.#send(at, "/v3/watch", body, { signal, isStream: true });
    try {
      for await (const message of messagesOf(response.body, MOST_MESSAGE_BYTES)) {
        const { result, error } = message as WireWatch;
        if (error !== undefined) throw failureOf(JSON.stringify(error), this.#endpoint(at));
        if (result?.canceled === true) throw this.#canceled(result, at);
        const { events = [], header } = result ?? {};
        if (events.length === 0) continue;
        yield { revision: Number(header?.revision ?? 0), events: events.map(fromWireEvent) };
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error instanceof EtcdFailure ? error : connectionFailure(error, this.#endpoint(at));
    }
    throw new EtcdFailure("unavailable", `etcd (${this.#endpoint(at)}) ended a watch`, { isCertain: true });
  }

  /** Logs in with another password, from the next call on. */
  renewPassword(password: string): void {
    if (this.#user === undefined || this.#user.password === password) return;
    this.#user = { ...this.#user, password };
    this.#token = undefined;
  }

  /** How much room each member has that answers. Never throws. */
  async room(): Promise<readonly MemberRoom[]> {
    const asked = this.#pools.map(async (_, at): Promise<readonly MemberRoom[]> => {
      try {
        const response = await this.#send(at, "/v3/maintenance/status", {}, {});
        const { dbSize, dbSizeInUse, dbSizeQuota, errors = [] } = (await response.body.json()) as WireStatus;
        const quota = Number(dbSizeQuota ?? 0);
        return [
          {
            endpoint: this.#endpoint(at),
            size: Number(dbSize ?? 0),
            used: Number(dbSizeInUse ?? dbSize ?? 0),
            ...(quota > 0 ? { quota } : {}),
            alarms: errors,
          },
        ];
      } catch {
        return [];
      }
    });
    return (await Promise.all(asked)).flat();
  }

  /** Leaves the member that is asked now for the next one. */
  rotate(): void {
    this.#at = (this.#at + 1) % this.#pools.length;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? 2_000;
  }

  #endpoint(at: number): string {
    return this.#options.endpoints[at] ?? "";
  }

  #canceled({ cancel_reason, compact_revision }: WatchResult, at: number): EtcdFailure {
    const isCompacted = Number(compact_revision ?? 0) > 0;
    const reason = cancel_reason ?? `etcd has its revisions from ${compact_revision} on only`;
    return new EtcdFailure(isCompacted ? "compacted" : "token", `etcd (${this.#endpoint(at)}): ${reason}`, {
      isCertain: true,
    });
  }

  /** Each member once, until one answers; a change goes on to the next only where nothing can have been done. */
  async #call<Answer>(path: string, body: object, { canRepeat = false } = {}): Promise<Answer> {
    let renewals = 0;
    for (let failures = 0; ; ) {
      const at = this.#at;
      try {
        const response = await this.#send(at, path, body, {});
        return (await response.body.json()) as Answer;
      } catch (error) {
        const failure = error instanceof EtcdFailure ? error : connectionFailure(error, this.#endpoint(at));
        if (failure.kind === "token" && this.#user !== undefined && renewals === 0) {
          renewals += 1;
          this.#token = undefined;
          continue;
        }
        if (failure.kind !== "unavailable") throw failure;
        failures += 1;
        if (this.#at === at) this.rotate();
        if (failures >= this.#pools.length || !(failure.isCertain || canRepeat)) throw failure;
      }
    }
  }

  async #send(
    at: number,
    path: string,
    body: object,
    { signal, isStream = false }: { readonly signal?: AbortSignal; readonly isStream?: boolean },
  ) {
    const pool = this.#pools[at] as Pool;
    const authorization = path === AUTHENTICATE ? undefined : await this.#authorization();
    try {
      const response = await pool.request({
        path,
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(authorization === undefined ? {} : { authorization }),
        },
        body: JSON.stringify(body),
        headersTimeout: this.#timeoutMs,
        bodyTimeout: isStream ? 0 : this.#timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
      if (response.statusCode === 200) return response;
      throw failureOf(await response.body.text(), this.#endpoint(at));
    } catch (error) {
      throw error instanceof EtcdFailure ? error : connectionFailure(error, this.#endpoint(at));
    }
  }

  async #authorization(): Promise<string | undefined> {
    if (this.#user === undefined) return undefined;
    this.#token ??= this.#authenticate(this.#user);
    const asked = this.#token;
    try {
      return await asked;
    } catch (error) {
      if (this.#token === asked) this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(user: { readonly name: string; readonly password: string }): Promise<string> {
    const { token } = await this.#call<{ readonly token: string }>(AUTHENTICATE, user, { canRepeat: true });
    return token;
  }
}

const AUTHENTICATE = "/v3/auth/authenticate";

interface WatchResult {
  readonly header?: WireHeader;
  readonly canceled?: boolean;
  readonly cancel_reason?: string;
  readonly compact_revision?: string;
  readonly events?: readonly WireEvent[];
}

interface WireStatus {
  readonly dbSize?: string;
  readonly dbSizeInUse?: string;
  readonly dbSizeQuota?: string;
  readonly errors?: readonly string[];
}

interface WireWatch {
  readonly result?: WatchResult;
  readonly error?: object;
}
