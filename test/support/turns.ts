import { createServer } from "node:http";
import module, { syncBuiltinESMExports } from "node:module";
import { PerformanceObserver } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";

// For `node --import`: measures the turns of the event loop of a manager, and answers for them at TURNS_SOCKET. Each question
// asks for the time since the one before, and turns are looked at from the first question on.

/** A turn of the event loop: all that ran before anything else that waited had its own. */
interface Turn {
  readonly from: number;
  readonly to: number;
  readonly cpuMs: number;
}

/** Longest processor time of a turn of the main thread, without that of its garbage collections, and how many turns there were. */
export interface Turns {
  readonly longestMs: number;
  readonly turns: number;
  /** Whether the last work of the start is done: two seconds after it the heap is compacted and the compile cache written. */
  readonly isSettled: boolean;
}

/** Shorter turns are counted only. */
const NOTED_MS = 5;

const socket = process.env["TURNS_SOCKET"];
// Threads and child processes have the same environment.
if (socket !== undefined && isMainThread && process.argv[1]?.endsWith("main.ts") === true)
  measureTurns(socket);

function measureTurns(path: string): void {
  let long: Turn[] = [];
  let turns = 0;
  let collections: { readonly from: number; readonly to: number }[] = [];
  let isMeasured = false;
  let isSettled = false;
  const flush = module.flushCompileCache;
  module.flushCompileCache = () => {
    flush();
    isSettled = true;
  };
  syncBuiltinESMExports();
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      collections.push({ from: startTime, to: startTime + duration });
  }).observe({ entryTypes: ["gc"] });

  const measure = (): void => {
    let [cpuMs, from] = [cpuOfThread(), performance.now()];
    const next = (): void => {
      const [present, to] = [cpuOfThread(), performance.now()];
      if (present - cpuMs > NOTED_MS) long.push({ from, to, cpuMs: present - cpuMs });
      turns += 1;
      [cpuMs, from] = [present, to];
      setImmediate(next).unref();
    };
    setImmediate(next).unref();
  };
  const ownMs = ({ cpuMs, from, to }: Turn): number =>
    collections.reduce(
      (left, gc) => left - Math.max(0, Math.min(to, gc.to) - Math.max(from, gc.from)),
      cpuMs,
    );

  const server = createServer(async (_request, response) => {
    // Collections are told a little later.
    await wait(10);
    const answer: Turns = { longestMs: Math.max(0, ...long.map(ownMs)), turns, isSettled };
    [long, turns, collections] = [[], 0, []];
    if (!isMeasured) measure();
    isMeasured = true;
    response.end(JSON.stringify(answer));
  });
  server.listen(path);
  server.unref();
}

function cpuOfThread(): number {
  const { system, user } = process.threadCpuUsage();
  return (system + user) / 1000;
}
