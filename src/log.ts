import { finished } from "node:stream/promises";
import { styleText } from "node:util";
import winston from "winston";

/** Fields of a log entry. Never a secret, a token or a key. */
export type LogFields = Readonly<{ [field: string]: unknown }>;

/** What every part of Gatewright logs through; `log.ts` alone knows winston. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose entries carry the subsystem's name, at the subsystem's own level. */
  child(subsystem: string): Logger;
}

type Level = "debug" | "info" | "warn" | "error";

export interface LoggerOptions {
  /** Lowest level that is written. Default `info`. */
  readonly level?: Level;
  /** The same for single subsystems. */
  readonly levels?: { readonly [subsystem: string]: Level };
  /** Default: standard output. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** `human`: one line for eyes; `json`: one JSON object a line. Default: human on a terminal. */
  readonly format?: "human" | "json";
}

/** An entry that is written: its level is high enough. */
export interface LogEntry {
  /** RFC 3339. */
  readonly time: string;
  readonly level: Level;
  /** "" for the root logger's own. */
  readonly subsystem: string;
  readonly message: string;
  /** As JSON can hold them. */
  readonly fields: LogFields;
}

/** The logger that others are children of. */
export interface RootLogger extends Logger {
  /** Takes these levels from now on; those of `options` are forgotten. */
  setLevels(levels: Pick<LoggerOptions, "level" | "levels">): void;
  /** Has every entry from now on go there too. */
  copyTo(sink: (entry: LogEntry) => void): void;
  /** Resolves when everything is written; nothing is logged afterwards. */
  close(): Promise<void>;
}

const rank: { readonly [level in Level]: number } = { debug: 0, info: 1, warn: 2, error: 3 };

/** Makes the logger of a process. */
export function createLogger(options: LoggerOptions = {}): RootLogger {
  const stream = options.stream ?? process.stdout;
  // Who reads the log may go away; that must not end the service.
  stream.on("error", () => {});
  const human = (options.format ?? (stream.isTTY === true ? "human" : "json")) === "human";
  const render = human ? (entry: LogEntry) => renderHuman(entry, stream) : renderJson;
  const transport = new winston.transports.Stream({ stream, eol: "\n" });
  const sink = winston.createLogger({
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    level: "debug",
    format: winston.format.printf((info) => render(info as unknown as LogEntry)),
    transports: [transport],
  });
  const copies: ((entry: LogEntry) => void)[] = [];
  let levels: Pick<LoggerOptions, "level" | "levels"> = options;
  const logger = (subsystem: string): Logger => {
    const at = (level: Level) => (message: string, fields?: LogFields) => {
      if (rank[level] < rank[levels.levels?.[subsystem] ?? levels.level ?? "info"]) return;
      const entry = { level, message, subsystem, fields: fields ?? {}, time: new Date().toISOString() };
      sink.log(entry);
      for (const copy of copies) copy({ ...entry, fields: plain(entry.fields) as LogFields });
    };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: logger };
  };
  const close = async () => {
    const written = finished(transport);
    sink.end();
    await written;
  };
  const setLevels: RootLogger["setLevels"] = (wanted) => {
    levels = wanted;
  };
  return { ...logger(""), setLevels, copyTo: (copy) => void copies.push(copy), close };
}

function renderJson({ time, level, subsystem, message, fields }: LogEntry): string {
  const core = { time, level, ...(subsystem === "" ? {} : { subsystem }), message };
  const entry: { [key: string]: unknown } = { ...core };
  for (const [key, value] of Object.entries(fields)) entry[key in core ? `${key}_` : key] = plain(value);
  // JSON escapes the controls up to U+001F; a terminal obeys those above, and U+2028 ends a line for some readers.
  return JSON.stringify(entry).replace(
    UNSAFE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const styles = { debug: "gray", info: "green", warn: "yellow", error: "red" } as const;

function renderHuman(
  { time, level, subsystem, message, fields }: LogEntry,
  stream: NodeJS.WritableStream,
): string {
  // styleText leaves colours out where the stream or NO_COLOR asks for that.
  const paint = (style: Parameters<typeof styleText>[0], text: string) => styleText(style, text, { stream });
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${paint("dim", `${escapeControls(key)}=`)}${showValue(value)}`);
  const name = subsystem === "" ? "" : ` ${paint("cyan", escapeControls(subsystem))}`;
  const clock = paint("dim", time.slice(11, 23));
  return `${clock} ${paint(styles[level], level.toUpperCase().padEnd(5))}${name} ${escapeControls(message)}${pairs.join("")}`;
}

function showValue(value: unknown): string {
  const simple = plain(value);
  if (typeof simple === "string" && /^[\w.:/@%+,-]+$/.test(simple)) return simple;
  return escapeControls(JSON.stringify(simple) ?? "undefined");
}

const LONGEST_DEPTH = 6;

/** The value as JSON can hold it: errors with their code and cause, no cycles, no bigint. */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function")
    return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= LONGEST_DEPTH) return "…";
  if (value instanceof Error) return plainError(value, depth);
  if (typeof (value as { toJSON?: unknown }).toJSON === "function")
    return (value as { toJSON(): unknown }).toJSON();
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  if (value instanceof Map || value instanceof Set) return plain([...value], depth);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, depth + 1)]));
}

function plainError(error: Error, depth: number): object {
  const { code } = error as NodeJS.ErrnoException;
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.cause === undefined ? {} : { cause: plain(error.cause, depth + 1) }),
    ...(error.stack === undefined
      ? {}
      : {
          stack: error.stack
            .split("\n")
            .slice(1, 6)
            .map((line) => line.trim()),
        }),
  };
}

/**
 * Characters that would let a text pretend to be another line or steer the terminal: controls, line separators and
 * marks that turn the direction of text (CWE-117).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(UNSAFE, (char) => {
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
    return short ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
