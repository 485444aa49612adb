import { type Backend, startBackend } from "../backend.ts";
import { use } from "../use.ts";
import { type Site, useGatewright } from "../use-gatewright.ts";
import {
  type HandshakeOptions,
  handshake,
  type SecureAnswer,
  type Shown,
  visitSecurely,
} from "./handshake.ts";
import { startTlsWorld, type TlsWorld } from "./tls-world.ts";

/** A Gatewright that gets its certificates in a world of the test's own, with the instance `web-1` behind it. */
export interface TlsSite {
  readonly world: TlsWorld;
  readonly gatewright: Site;
  /** Behind `web-1`; its name is `one`. */
  readonly backend: Backend;
  /** A handshake on HTTPS_PORT that trusts Pebble's root alone, unless told otherwise. */
  handshake(host: string, options?: Partial<HandshakeOptions>): Promise<Shown>;
  /** A request over such a connection. */
  visitSecurely(host: string, options?: Partial<HandshakeOptions>): Promise<SecureAnswer>;
}

/** One for the tests of a file, with the settings made for its world; `options` are the world's. */
export function useTlsSite(
  settingsOf: (world: TlsWorld) => NodeJS.ProcessEnv | Promise<NodeJS.ProcessEnv>,
  options: Parameters<typeof startTlsWorld>[0] = {},
): TlsSite {
  const world = use(() => startTlsWorld(options));
  const backend = use(() => startBackend("one"));
  const gatewright = useGatewright(() => settingsOf(world), ["web-1"]);
  const to = (host: string, options: Partial<HandshakeOptions> = {}): HandshakeOptions => ({
    host,
    port: world.httpsPort,
    ca: world.ca,
    ...options,
  });
  return {
    world,
    backend,
    gatewright,
    handshake: (host, options) => handshake(to(host, options)),
    visitSecurely: (host, options) => visitSecurely(to(host, options)),
  };
}
