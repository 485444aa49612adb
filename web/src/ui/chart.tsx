import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface Series {
  readonly label: string;
  readonly values: readonly number[];
  /** A custom property of the theme. */
  readonly colour: "--accent" | "--bad";
  readonly isDashed?: boolean;
}

interface ChartProps {
  /** What it shows, for those who do not see it. */
  readonly label: string;
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
}

const HEIGHT = 190;

/** Lines over time. */
export function Chart({ label, times, series, format }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const data: uPlot.AlignedData = [[...times], ...series.map(({ values }) => [...values])];
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(optionsOf(element, series, format), data, element);
    };
    draw();
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0 && width !== plot?.width) plot?.setSize({ width, height: HEIGHT });
    });
    observer.observe(element);
    // Colours are drawn, and do not follow the theme by themselves.
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    dark.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", draw);
      plot?.destroy();
    };
  }, [times, series, format]);
  return <div ref={box} class="chart" role="img" aria-label={label} />;
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const clock = (seconds: number): string => time.format(seconds * 1000);

function optionsOf(
  element: HTMLElement,
  series: readonly Series[],
  format: (value: number) => string,
): uPlot.Options {
  const style = getComputedStyle(element);
  /** As it is in the present theme: a canvas knows no `light-dark()`. */
  const colour = (name: string): string => {
    element.style.color = `var(${name})`;
    const { color } = style;
    element.style.color = "";
    return color;
  };
  const axis = {
    stroke: colour("--ink-2"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  return {
    width: Math.max(element.clientWidth, 200),
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.15, 1)] } },
    axes: [
      { ...axis, size: 28, values: (_plot, times) => times.map(clock) },
      { ...axis, size: 58, values: (_plot, values) => values.map(format) },
    ],
    series: [
      {},
      ...series.map(({ label, colour: name, isDashed }) => ({
        label,
        stroke: colour(name),
        width: 1.75,
        points: { show: false },
        ...(isDashed === true
          ? { dash: [5, 4] }
          : { fill: `color-mix(in srgb, ${colour(name)} 12%, transparent)` }),
      })),
    ],
  };
}
