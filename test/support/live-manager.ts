import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adminAddress } from "../../src/caddy/admin-address.ts";
import { createAdminClient } from "../../src/caddy/admin-client.ts";
import type { CaddyProcess } from "../../src/caddy/caddy-process.ts";
import { createCaddyProcess } from "../../src/caddy/process.ts";
import { type DnsServer, startDnsServer } from "../../src/dns/server.ts";
import type { ApplyStep } from "../../src/manager/apply-step.ts";
import { readStoredIngress } from "../../src/manager/fill-catalog.ts";
import { type RunningManager, startManager } from "../../src/manager/manager.ts";
import type { Ingress } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { openFileStore } from "../../src/store/file-store.ts";
import type { IngressStore } from "../../src/store/ingress-store.ts";
import { AddressFeed } from "../../src/targets/address-feed.ts";
import { builtCaddy } from "./caddy-binary.ts";
import { compilerSettings } from "./compiler-settings.ts";
import { type CuttingProxy, startCuttingProxy } from "./cutting-proxy.ts";
import { freePort } from "./free-port.ts";
import { MemoryStore } from "./memory-store.ts";
import { recordingLogger } from "./recording-logger.ts";
import { afterSteps } from "./writer-steps.ts";

/** A manager in this process with the real store, DNS and Caddy; only its way to Caddy's admin endpoint can be cut. */
export interface LiveManager extends AsyncDisposable {
  readonly manager: RunningManager;
  readonly proxy: CuttingProxy;
  readonly httpPort: number;
  readonly registry: InstanceRegistry;
  /** Awaited at each step of a batch; see docs/applying.md. */
  onStep: (step: ApplyStep) => void | Promise<void>;
  caddyPid(): number;
  /** What is on disk; only after `manager.stop()`. */
  stored(): Promise<readonly Ingress[]>;
}

export async function startLiveManager(): Promise<LiveManager> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "gatewright-manager-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const folder = join(dataDir, "caddy");
  await mkdir(folder);
  const [adminPort, httpPort, httpsPort] = [await freePort(), await freePort(), await freePort()];
  const logger = recordingLogger();

  const registry = new InstanceRegistry({ store: new MemoryStore(), logger });
  await registry.start();
  const dns: DnsServer = await startDnsServer({ address: "127.0.0.1", port: 0, resolver: registry, logger });
  stack.defer(() => dns.close());
  const proxy = stack.use(await startCuttingProxy(adminPort));
  const api = createAdminClient({ adminUrl: `http://127.0.0.1:${proxy.port}` });
  stack.defer(() => api.close());

  const binary = await builtCaddy();
  const real = adminAddress("127.0.0.1", adminPort);
  const compiler = compilerSettings({
    httpPort,
    httpsPort,
    folder,
    admin: { listen: real.listen, origins: [...real.origins, `127.0.0.1:${proxy.port}`] },
    resolver: { address: `127.0.0.1:${dns.port}`, zone: "hypeman.internal", min_ttl: "30s" },
  });
  const openStore = (): IngressStore =>
    openFileStore({
      folder: join(dataDir, "ingresses"),
      validate: (value) => readStoredIngress(value, { httpPort, httpsPort }),
    });
  let caddyPid = 0;
  const manager = await startManager({
    store: openStore(),
    resolver: registry,
    api,
    feeds: [new AddressFeed({ api, resolver: registry, logger })],
    createHost: ({ prepare, started, ended }) => {
      const host: CaddyProcess = createCaddyProcess({ binary, folder, adminUrl: real.url, prepare, logger });
      host.on("exited", ended);
      host.on("started", ({ pid }) => {
        caddyPid = pid;
        started();
      });
      stack.defer(() => host.stop());
      return host;
    },
    compiler,
    admission: {
      ports: { httpPort, httpsPort },
      tls: { acmeConfigured: false, dnsChallenge: false, allowedDomains: [] },
      guard: { deny: [], denyLocalPorts: [], allowLoopback: true, allow: [], localAddresses: () => [] },
    },
    logger,
    track: afterSteps((step) => live.onStep(step)),
  });
  stack.defer(() => manager.stop());
  const disposal = stack.move();
  const live: LiveManager = {
    manager,
    proxy,
    httpPort,
    registry,
    onStep: () => undefined,
    caddyPid: () => caddyPid,
    async stored() {
      const store = openStore();
      const { documents } = await store.open();
      await store.close();
      return [...documents];
    },
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  };
  return live;
}
