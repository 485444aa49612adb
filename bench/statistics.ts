/** The value that a fraction `q` of the values does not exceed; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value, or the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** Two series that were measured in turn. */
export interface Pairs<T> {
  readonly ours: readonly T[];
  readonly peers: readonly T[];
}

/** Measures several things in turn, the first one of a round the last of the next, and gives a series of each. */
export async function inTurn<T>(
  rounds: number,
  things: readonly ((round: number) => Promise<T>)[],
): Promise<readonly (readonly T[])[]> {
  const series = things.map((measure) => ({ measure, values: [] as T[] }));
  for (let round = 0; round < rounds; round++) {
    const first = round % series.length;
    for (const { measure, values } of [...series.slice(first), ...series.slice(0, first)])
      values.push(await measure(round));
  }
  return series.map(({ values }) => values);
}

/**
 * Measures two things in turn (A B, B A, A B, …), so that whatever else the machine does meets both alike and neither
 * always goes first.
 */
export async function alternate<T>(
  rounds: number,
  ours: (round: number) => Promise<T>,
  peers: (round: number) => Promise<T>,
): Promise<Pairs<T>> {
  const [ourSeries = [], peerSeries = []] = await inTurn(rounds, [ours, peers]);
  return { ours: ourSeries, peers: peerSeries };
}

/** The median over the rounds of what `combine` makes of each pair. */
export function medianOfPairs<T>(pairs: Pairs<T>, combine: (ours: T, peers: T) => number): number {
  return median(
    pairs.ours.map((ours, round) => {
      const peers = pairs.peers[round];
      return peers === undefined ? Number.NaN : combine(ours, peers);
    }),
  );
}

/** The lower quartile of a latency over the rounds: a tail is what other work on the machine spoils first. */
export function undisturbed(rounds: readonly number[]): number {
  return quantile(rounds, 0.25);
}
