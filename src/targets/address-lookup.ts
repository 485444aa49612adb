import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Slots } from "./slots.ts";

/** Where a target is now: its addresses, or why it has none. */
export interface TargetAddresses {
  readonly addresses: readonly string[];
  readonly reason?: string;
  /** Nobody has said that there are none: the question failed. */
  readonly failed?: true;
}

export interface AddressLookupOptions {
  /** DNS servers of names that bring none of their own. Default: the system's. */
  readonly servers?: readonly string[];
  /** Longest wait for an answer. Default 2 s. */
  readonly timeoutMs?: number;
  /** Questions under way at one time; more wait. Default 64. */
  readonly atOnce?: number;
  /** Default: the system's. */
  readonly hostsFile?: string;
  readonly resolvConf?: string;
}

/** The DNS has answered: there is no such name, or it has no address. */
const noneCodes: ReadonlySet<string | undefined> = new Set(["ENOTFOUND", "ENODATA"]);

/**
 * Finds addresses of names outside of the instances. It asks the DNS itself, since `getaddrinfo` has four threads for
 * the whole process, which names that are never answered would keep.
 */
export class AddressLookup {
  readonly #options: Required<Omit<AddressLookupOptions, "servers">> & Pick<AddressLookupOptions, "servers">;
  readonly #slots: Slots;
  /** Questions under way, by servers and name: whoever asks meanwhile has the same answer. */
  readonly #asking = new Map<string, Promise<TargetAddresses>>();

  constructor(options: AddressLookupOptions = {}) {
    this.#options = {
      timeoutMs: 2_000,
      atOnce: 64,
      hostsFile: "/etc/hosts",
      resolvConf: "/etc/resolv.conf",
      ...options,
    };
    this.#slots = new Slots(this.#options.atOnce);
  }

  /** Never throws. */
  find(name: string, servers?: readonly string[]): Promise<TargetAddresses> {
    if (isIP(name) !== 0) return Promise.resolve({ addresses: [name] });
    const key = JSON.stringify([name, servers]);
    const asking =
      this.#asking.get(key) ??
      this.#slots.run(() => this.#ask(name, servers)).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(name: string, servers: readonly string[] | undefined): Promise<TargetAddresses> {
    if (servers !== undefined) return this.#askDns(name, servers);
    const { hostsFile, resolvConf } = this.#options;
    const hosts = inHosts(await readFile(hostsFile, "utf8").catch(() => ""), name);
    if (hosts.length > 0) return { addresses: hosts };
    let answer: TargetAddresses = { addresses: [] };
    for (const full of fullNames(name, await readFile(resolvConf, "utf8").catch(() => ""))) {
      answer = await this.#askDns(full, this.#options.servers);
      if (answer.addresses.length > 0 || answer.failed === true) return answer;
    }
    return answer;
  }

  async #askDns(name: string, servers: readonly string[] | undefined): Promise<TargetAddresses> {
    const resolver = new Resolver({ timeout: this.#options.timeoutMs, tries: 1 });
    if (servers !== undefined) resolver.setServers(servers);
    // With more servers than one the resolver's own time counts for each.
    const timer = setTimeout(() => resolver.cancel(), this.#options.timeoutMs);
    const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    clearTimeout(timer);
    const addresses = found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    if (addresses.length > 0) return { addresses: addresses.sort() };
    const codes = found.flatMap((one) => (one.status === "rejected" ? [codeOf(one.reason)] : []));
    const failure = codes.find((code) => !noneCodes.has(code));
    const reason = `DNS: ${failure ?? codes[0] ?? "no answer"}`;
    return { addresses: [], reason, ...(failure === undefined ? {} : { failed: true }) };
  }
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || code === "ECANCELLED" ? "ETIMEOUT" : code;
}

/** The addresses of a name in a hosts file (hosts(5)). */
function inHosts(text: string, name: string): readonly string[] {
  const wanted = name.toLowerCase().replace(/\.$/, "");
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((one) => one.toLowerCase() === wanted) ? [address] : [];
  });
}

/** A name and those that it may be short for, in the order in which they are asked for (resolv.conf(5), `search`). */
function fullNames(name: string, resolvConf: string): readonly string[] {
  if (name.endsWith(".")) return [name];
  const search = resolvConf.split("\n").flatMap((line) => {
    const [word, ...domains] = line.trim().split(/\s+/);
    return word === "search" || word === "domain" ? [domains] : [];
  });
  const longer = (search.at(-1) ?? []).map((domain) => `${name}.${domain.replace(/^\./, "")}`);
  return name.includes(".") ? [name, ...longer] : [...longer, name];
}
