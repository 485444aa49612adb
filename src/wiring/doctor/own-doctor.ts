import type { Config } from "../../config.ts";
import type { Readiness } from "../../manager/ingress-manager.ts";
import type { RunningManager } from "../../manager/manager.ts";
import type { Finding, ServerStatus } from "../../model/api.ts";
import type { Tokens } from "../../tokens/tokens.ts";
import { diagnose } from "./doctor.ts";

export interface OwnDoctorSources {
  /** The settings in force. */
  readonly settings: () => Config;
  readonly ingresses: Pick<RunningManager["ingresses"], "present" | "size">;
  readonly tokens: Pick<Tokens, "stored">;
  readonly readiness: () => Readiness;
  readonly status: () => ServerStatus;
}

/**
 * Looks at the Gatewright of this process, which knows by itself what is stored. It is looked at once for all who ask meanwhile:
 * authorities and DNS providers are asked, too.
 */
export function ownDoctor(sources: OwnDoctorSources): () => Promise<readonly Finding[]> {
  const { ingresses, readiness, settings, status, tokens } = sources;
  let looking: Promise<readonly Finding[]> | undefined;
  const look = (): Promise<readonly Finding[]> =>
    diagnose(settings(), {
      self: { ready: async () => readiness(), status: async () => status() },
      // What cannot be read is set aside, of which `/ready` tells.
      stored: {
        ingresses: { [Symbol.iterator]: () => ingresses.present()[Symbol.iterator]() },
        count: ingresses.size,
        tokens: tokens.stored(),
        unreadable: [],
      },
    });
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}
