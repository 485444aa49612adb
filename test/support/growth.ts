/**
 * How much more processor time `work` takes at eight times the size: about 8 where it is linear, 64 where it is
 * quadratic. A ratio of processor times says the same on a slow and on a busy machine. The best of five runs counts,
 * since collections of garbage fall on some of them.
 */
export function growthOf(work: (size: number) => void, size: number): number {
  // The first run is slower for reasons of its own: code is compiled.
  work(size);
  return best(() => work(size * 8)) / best(() => work(size));
}

function best(run: () => void): number {
  const times = [1, 2, 3, 4, 5].map(() => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  });
  return Math.min(...times);
}
