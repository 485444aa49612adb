import type { EtcdClient } from "./client.ts";
import { EtcdFailure } from "./failure.ts";

export interface ErrandsOptions {
  readonly client: Pick<EtcdClient, "grantLease" | "keepLease" | "revokeLease" | "transact">;
  /** Ends in a slash. */
  readonly prefix: string;
  /** How long the errand of a gateway that died keeps others from it, in seconds. Default: 15. */
  readonly leaseSeconds?: number;
  /** An errand that takes longer is free for others. Default: 120,000. */
  readonly longestMs?: number;
}

/** Gives an errand back. Never throws. */
export type Release = () => Promise<void>;

/**
 * Errands that one gateway does for all: a key for each, `errands/<name>`, on a lease. Where etcd does not answer each gateway
 * does them for itself: they must bear to be done twice.
 */
export class Errands {
  readonly #options: ErrandsOptions;

  constructor(options: ErrandsOptions) {
    this.#options = options;
  }

  /** Takes an errand; undefined where another gateway is at it. Never throws. */
  async take(name: string): Promise<Release | undefined> {
    const { client, leaseSeconds = 15, prefix } = this.#options;
    const key = `${prefix}errands/${name}`;
    let lease: string | undefined;
    try {
      lease = await client.grantLease(leaseSeconds);
      const { succeeded } = await client.transact({
        compare: [{ key, modRevision: 0 }],
        success: [{ kind: "put", key, value: "", lease }],
      });
      if (succeeded) return this.#kept(lease);
      await client.revokeLease(lease).catch(() => undefined);
      return undefined;
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      // What may have been put ends with its lease.
      return async () => {
        if (lease !== undefined) await client.revokeLease(lease).catch(() => undefined);
      };
    }
  }

  #kept(lease: string): Release {
    const { client, leaseSeconds = 15, longestMs = 120_000 } = this.#options;
    const keep = (): void => void client.keepLease(lease).catch(() => undefined);
    const timer = setInterval(keep, (leaseSeconds * 1000) / 3).unref();
    const end = setTimeout(() => clearInterval(timer), longestMs).unref();
    return async () => {
      clearInterval(timer);
      clearTimeout(end);
      // Else it ends by itself.
      await client.revokeLease(lease).catch(() => undefined);
    };
  }
}
