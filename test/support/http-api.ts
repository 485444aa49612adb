import { type AppDependencies, createApp } from "../../src/http/app.ts";
import { defaultLimits, type HttpLimits } from "../../src/http/limits.ts";
import { createHttpServer } from "../../src/http/server.ts";
import type { Instance } from "../../src/model/api.ts";
import { InstanceRegistry } from "../../src/resolver/registry.ts";
import { type HttpCall, type HttpReply, httpCall } from "./http-call.ts";
import { memoryCertificates } from "./memory-certificates.ts";
import { MemoryManager } from "./memory-manager.ts";
import { MemoryStore } from "./memory-store.ts";
import { type RecordingLogger, recordingLogger } from "./recording-logger.ts";

/** The API on a socket of its own, over a manager and a registry in memory. */
export interface TestApi extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly manager: MemoryManager;
  readonly registry: InstanceRegistry;
  readonly logger: RecordingLogger;
  call(call: HttpCall): Promise<HttpReply>;
}

/** What a test wants otherwise. */
export interface TestApiOptions {
  readonly secret?: string;
  readonly allowedHosts?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** True: instances come from elsewhere. */
  readonly readOnlyInstances?: boolean;
  /** Instances present from the start. */
  readonly instances?: readonly Instance[];
}

/** Starts the API on a free loopback port. */
export async function startApi(options: TestApiOptions = {}): Promise<TestApi> {
  const logger = recordingLogger();
  const registry = new InstanceRegistry({ store: new MemoryStore<Instance>(options.instances), logger });
  await registry.start();
  const manager = new MemoryManager(registry);
  const { certificates, imported, telemetry, close } = memoryCertificates(logger);
  await imported.open();
  const limits = { ...defaultLimits, ...options.limits };
  const dependencies: AppDependencies = {
    manager,
    resolver: registry,
    ...(options.readOnlyInstances === true ? {} : { registry }),
    auth: options.secret === undefined ? {} : { secret: options.secret },
    certificates,
    telemetry,
    allowedHosts: options.allowedHosts ?? [],
    logger,
    version: "1.2.3",
    limits,
  };
  const server = createHttpServer(createApp(dependencies), limits);
  const { port } = await server.listen("127.0.0.1", 0);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    manager,
    registry,
    logger,
    call: (call) => httpCall(url, call),
    [Symbol.asyncDispose]: async () => {
      await server.close(100);
      await registry.close();
      await close();
    },
  };
}
