/** The wait after so many failures in a row: twice as long after each, `longestMs` at the most unless the first is longer. */
export function backoffMs(firstMs: number, failures: number, longestMs: number): number {
  return Math.min(firstMs * 2 ** failures, Math.max(firstMs, longestMs));
}
