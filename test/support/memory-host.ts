import type { ManagerOptions } from "../../src/manager/manager.ts";
import type { MemoryCaddy } from "./memory-caddy.ts";

/** Supervises a Caddy in memory as createCaddyProcess supervises a real one. */
export interface MemoryHost {
  readonly createHost: ManagerOptions["createHost"];
  /** Ends the process; it is started again from the files that the manager writes. */
  crash(): Promise<void>;
}

/**
 * Starts the Caddy from `config.json` and `table.json` in the folder.
 * @param adopts whether it finds the Caddy running, with what it has
 */
export function memoryHost(caddy: MemoryCaddy, folder: string, adopts = false): MemoryHost {
  let launch = async (): Promise<void> => undefined;
  let end = (): void => undefined;
  let launching: Promise<void> = Promise.resolve();
  return {
    createHost: ({ prepare, started, ended }) => {
      end = ended;
      launch = async () => {
        await prepare(false);
        await caddy.launch(folder);
        started();
      };
      return {
        start: async () => (adopts ? started() : launch()),
        whenRunning: () => launching,
        replaceUnreachable: async () => undefined,
      };
    },
    crash: () => {
      caddy.kill();
      end();
      launching = launch();
      return launching;
    },
  };
}
