import { putInstance } from "../api.ts";
import { type Backend, startBackend } from "../backend.ts";
import { type Gatewright, startGatewright } from "../gatewright.ts";
import { startTlsWorld, type TlsWorld } from "./tls-world.ts";

/** A Gatewright that gets its certificates in a world of the test's own, with the instance `web-1` behind it. */
export interface TlsSite extends AsyncDisposable {
  readonly world: TlsWorld;
  readonly gatewright: Gatewright;
  /** Behind `web-1`; its name is `one`. */
  readonly backend: Backend;
  /** Pebble's root. */
  readonly ca: string;
}

/** Starts one with the settings made for its world; `options` are the world's. */
export async function startTlsSite(
  settingsOf: (world: TlsWorld) => NodeJS.ProcessEnv | Promise<NodeJS.ProcessEnv>,
  options: Parameters<typeof startTlsWorld>[0] = {},
): Promise<TlsSite> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startTlsWorld(options));
  const backend = stack.use(await startBackend("one"));
  const gatewright = stack.use(await startGatewright(await settingsOf(world)));
  const ca = await world.pebble.root();
  await putInstance(gatewright.url, "web-1", "127.0.0.1");
  const kept = stack.move();
  return { world, gatewright, backend, ca, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
