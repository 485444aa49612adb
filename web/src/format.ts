const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** 12,345.6 */
export function count(value: number): string {
  return number.format(value);
}

/** `one` or `others`, with the number: 1 rule, 3 rules. */
export function plural(value: number, one: string, others = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : others}`;
}

/** Requests a second. */
export function rate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 0.1) return "< 0.1 req/s";
  return `${count(perSecond)} req/s`;
}

/** Seconds as 420 µs, 12 ms or 1.3 s. */
export function latency(seconds: number | undefined): string {
  if (seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  return `${count(seconds)} s`;
}

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let index = 0;
  let left = value;
  for (; left >= 1000 && index < units.length - 1; index++) left /= 1000;
  return `${count(left)} ${units[index]}`;
}

export function percent(share: number): string {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${count(share * 100)} %`;
}

/** The whole local date and time. */
export function absolute(iso: string): string {
  return date.format(new Date(iso));
}

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** 3 min. ago, in 12 days */
export function ago(iso: string, now: number): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  for (const [unit, size] of steps)
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  return Math.abs(seconds) < 5 ? "just now" : relative.format(Math.trunc(seconds), "second");
}

/** 2 d 4 h, 12 min */
export function duration(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3_600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}
