import type { CreateIngressRequest } from "../../src/model/api.ts";
import { type Call, call, putInstance } from "./api.ts";
import { storeKey } from "./etcd-store.ts";
import { freePort } from "./free-port.ts";
import { type Gatewright, startGatewright } from "./gatewright.ts";

/** A gateway of several that share an etcd. */
export interface Gateway extends Gatewright {
  readonly name: string;
  /** Where its Caddy listens. */
  readonly address: string;
  /** That of all gateways. */
  readonly httpsPort: number;
  create(request: CreateIngressRequest, options?: Omit<Call, "body">): ReturnType<typeof call>;
  /** What a request to a host gets of it; 0 where there is no answer. */
  answerOf(host: string): Promise<{ readonly status: number; readonly text: string }>;
}

/** Starts gateways on one etcd, which end together: each with a loopback address of its own, all with the same ports. */
export async function startGateways(
  endpoints: readonly string[],
  names: readonly string[],
  settings: NodeJS.ProcessEnv = {},
): Promise<readonly Gateway[] & AsyncDisposable> {
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const started = await Promise.all(
    names.map(async (name, index) => {
      const address = `127.0.0.${index + 1}`;
      const gatewright = await startGatewright({
        STORE: "etcd",
        ETCD_ENDPOINTS: endpoints.join(),
        STORE_KEY: storeKey,
        GATEWAY_NAME: name,
        CADDY_LISTEN_ADDRESS: address,
        HTTP_PORT: String(httpPort),
        HTTPS_PORT: String(httpsPort),
        ...settings,
      });
      await putInstance(gatewright.url, "vm", "127.0.0.1");
      return {
        ...gatewright,
        name,
        address,
        httpsPort,
        create: (request: CreateIngressRequest, options: Omit<Call, "body"> = {}) =>
          call(`${gatewright.url}/ingresses`, { ...options, body: request }),
        answerOf: (host: string) =>
          call(`http://${address}:${httpPort}/`, { headers: { host } }).catch(() => ({
            status: 0,
            text: "",
          })),
      };
    }),
  );
  return Object.assign(started, {
    [Symbol.asyncDispose]: async () =>
      void (await Promise.all(started.map((one) => one[Symbol.asyncDispose]()))),
  });
}
