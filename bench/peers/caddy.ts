import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { freePort } from "../../test/support/free-port.ts";
import { until } from "../../test/support/until.ts";
import { type Child, startServer } from "../child.ts";
import { HttpClient } from "../http-client.ts";

/** 10,000 certificates may have to be signed. */
const READY_MS = 600_000;

/** One route of Caddy's HTTP app, as far as the peers need it. */
export interface PeerRoute {
  readonly match?: readonly { readonly host: readonly string[] }[];
  readonly handle: readonly object[];
  readonly terminal?: boolean;
}

export interface PeerConfig {
  readonly admin: { readonly listen: string; readonly config: { readonly persist: false } };
  readonly storage?: { readonly module: "file_system"; readonly root: string };
  readonly apps: {
    readonly http: {
      readonly servers: {
        readonly peer: {
          readonly listen: readonly string[];
          readonly automatic_https: { readonly disable: true };
          readonly protocols: readonly string[];
          readonly routes: readonly PeerRoute[];
          readonly tls_connection_policies?: readonly object[];
        };
      };
    };
    readonly tls?: object;
    readonly pki?: object;
  };
}

/** The same Caddy binary with a configuration of stock modules only; of ours it has the admin endpoint's socket. */
export interface CaddyPeer extends Child {
  readonly httpPort: number;
  readonly adminPort: number;
  /** Renders a configuration with these routes. */
  render(routes: readonly PeerRoute[]): PeerConfig;
  /** `POST /load`. Throws when Caddy refuses. */
  load(config: PeerConfig): Promise<void>;
}

/** Names whose certificates Caddy's own authority signs. */
export interface PeerNames {
  readonly names: readonly string[];
  /** Caddy's storage, which may have certificates of theirs. Default: a folder of the peer's own. */
  readonly storage?: string;
}

/**
 * Starts a Caddy with these routes on free loopback ports, over TLS where there are names. Resolves when it answers, and has the
 * certificates of a sample of the names.
 */
export async function startCaddyPeer(
  binary: string,
  folder: string,
  routes: readonly PeerRoute[],
  tls?: PeerNames,
): Promise<CaddyPeer> {
  const adminPort = await freePort();
  const httpPort = await freePort();
  const render = (all: readonly PeerRoute[]): PeerConfig => ({
    // On a network of ours: of stock Caddy's two sockets during a load, the older resets what waits at it.
    admin: { listen: `gatewright/127.0.0.1:${adminPort}`, config: { persist: false } },
    ...(tls?.storage === undefined ? {} : { storage: { module: "file_system", root: tls.storage } }),
    apps: {
      http: {
        servers: {
          peer: {
            listen: [`127.0.0.1:${httpPort}`],
            automatic_https: { disable: true },
            protocols: ["h1", "h2"],
            routes: all,
            ...(tls === undefined ? {} : { tls_connection_policies: [{}] }),
          },
        },
      },
      ...(tls === undefined ? {} : signedByItself(tls)),
    },
  });
  await mkdir(folder, { recursive: true });
  const configFile = join(folder, "config.json");
  await writeFile(configFile, JSON.stringify(render(routes)));
  const child = await startServer(binary, ["run", "--config", configFile], {
    environment: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  // Each load closes the connections that are kept.
  const admin = new HttpClient(adminPort, { keepAlive: false });
  const site = new HttpClient(httpPort);
  const answers = async (): Promise<boolean> => (await site.send({}).catch(() => undefined)) !== undefined;
  await Promise.race([
    child.failure,
    tls === undefined ? until(answers) : untilServed(httpPort, sampleOf(tls.names)),
  ]);
  return {
    ...child,
    httpPort,
    adminPort,
    render,
    async load(config) {
      await admin.succeed({ method: "POST", path: "/load", body: JSON.stringify(config) });
    },
    async [Symbol.asyncDispose]() {
      admin.close();
      site.close();
      await child[Symbol.asyncDispose]();
    },
  };
}

function signedByItself({ names }: PeerNames): Pick<PeerConfig["apps"], "tls" | "pki"> {
  return {
    tls: {
      // As Gatewright has it: thousands of subjects are looked through for each name.
      automation: { policies: [{ issuers: [{ module: "internal" }] }] },
      certificates: { automate: names },
    },
    pki: { certificate_authorities: { local: { install_trust: false } } },
  };
}

/** Whether a certificate is there. */
/** Stock Caddy goes through its names in no order: that a hundred of them are served tells that nearly all are. */
const SAMPLE = 100;

function sampleOf(names: readonly string[]): readonly string[] {
  const step = Math.max(names.length / SAMPLE, 1);
  return names.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
}

async function untilServed(port: number, names: readonly string[]): Promise<void> {
  for (const name of names) await until(() => shakesHands(port, name), READY_MS);
}

async function shakesHands(port: number, servername: string): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
