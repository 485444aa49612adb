import type { Track } from "../util/track.ts";
import type { Tracing } from "./tracing.ts";
import { outcomeOf } from "./track-work.ts";

/** Makes a span of each piece of work, as part of the request or the work that it is done for. */
export function traceWork(tracing: Tracing, area: string): Track<string> {
  return async (work, run, size) => {
    const attributes = size === undefined ? {} : { "gatewright.size": size };
    const span = tracing.begin(`${area} ${work}`, { attributes });
    try {
      const result = await span.run(run);
      span.end();
      return result;
    } catch (error) {
      span.end(outcomeOf(error));
      throw error;
    }
  };
}
