const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const WHOLE = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/**
 * Milliseconds of a duration in Go's form, such as `500ms`, `10s` or `1m30s`; undefined for other text and for less than half of one.
 * Source: https://pkg.go.dev/time#ParseDuration, without the units below a millisecond.
 */
export function durationMs(text: string): number | undefined {
  if (!WHOLE.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    ms += Number(amount) * unitMs[unit as keyof typeof unitMs];
  return Math.round(ms) || undefined;
}
