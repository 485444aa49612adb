/** A time as it was written, and in milliseconds. */
export interface Duration {
  /** Go's form, such as `1m30s`: Caddy reads the same. */
  readonly text: string;
  readonly ms: number;
}

const unitMs: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g;
const WHOLE = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/;

/** Reads Go's form of a duration (https://pkg.go.dev/time#ParseDuration), above zero; undefined for other text. */
export function parseDuration(text: string): Duration | undefined {
  if (!WHOLE.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    ms += Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN);
  return ms > 0 && Number.isFinite(ms) ? { text, ms } : undefined;
}
