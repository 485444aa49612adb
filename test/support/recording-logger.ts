import type { LogFields, Logger } from "../../src/log.ts";

/** One entry that was logged. */
export interface RecordedEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly subsystem: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps its entries, and those of its children. */
export interface RecordingLogger extends Logger {
  readonly entries: readonly RecordedEntry[];
}

export function recordingLogger(): RecordingLogger {
  const entries: RecordedEntry[] = [];
  const logger = (subsystem: string): RecordingLogger => {
    const record =
      (level: RecordedEntry["level"]) =>
      (message: string, fields: LogFields = {}) => {
        entries.push({ level, subsystem, message, fields });
      };
    return {
      entries,
      debug: record("debug"),
      info: record("info"),
      warn: record("warn"),
      error: record("error"),
      child: logger,
    };
  };
  return logger("");
}
