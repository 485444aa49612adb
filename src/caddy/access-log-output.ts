import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Logger } from "../log.ts";
import { type FollowedFile, type FollowOptions, followFile } from "./follow-file.ts";

export interface AccessLogOutputOptions extends Pick<FollowOptions, "pollMs" | "mostBehindBytes"> {
  /** What Caddy writes the access log to. */
  readonly file: string;
  /** Gets its lines as they are. */
  readonly stream: NodeJS.WritableStream;
  readonly logger: Logger;
}

/** What a slow reader of the stream may leave unread: some 15,000 lines. */
const MOST_BEHIND_BYTES = 8 * 1024 * 1024;

/**
 * Writes each new line of the access log to a stream too. Caddy itself outlives this process, and must not depend on who
 * reads the stream: what comes while nobody follows the file, or faster than the stream takes it, is in the file alone.
 */
export async function outputAccessLog(options: AccessLogOutputOptions): Promise<FollowedFile> {
  const { stream, logger, ...reading } = options;
  await mkdir(path.dirname(options.file), { recursive: true, mode: 0o700 });
  return followFile({
    mostBehindBytes: MOST_BEHIND_BYTES,
    ...reading,
    onLines: async (lines) => {
      if (!stream.write(Buffer.from(lines)))
        await Promise.race([once(stream, "drain"), once(stream, "close")]);
    },
    onSkipped: (skipped) =>
      logger.warn("the access log grows faster than it is written out; its file has all", { skipped }),
    onError: (error) => logger.warn("the access log cannot be followed", { error }),
  });
}
