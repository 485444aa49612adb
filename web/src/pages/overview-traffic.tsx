import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { TrafficHistory } from "../data/types.ts";
import { count, percent, rate } from "../format.ts";
import { Chart } from "../ui/chart.tsx";

/** Requests and errors of all ingresses in figures. */
export function TrafficFigures({ history: { minutes } }: { readonly history: TrafficHistory }): JSX.Element {
  // The present minute is not whole.
  const last = minutes.at(-2)?.requests ?? 0;
  const requests = minutes.reduce((sum, minute) => sum + minute.requests, 0);
  const errors = minutes.reduce((sum, minute) => sum + minute.errors, 0);
  return (
    <>
      <div>
        <dt>Requests in the last minute</dt>
        <dd>{rate(last / 60)}</dd>
      </div>
      <div>
        <dt>Errors (5xx) in the last hour</dt>
        <dd>
          {count(errors)}
          {requests > 0 && (
            <span class="hint">
              {percent(errors / requests)} of {count(requests)}
            </span>
          )}
        </dd>
      </div>
    </>
  );
}

export function Legend(): JSX.Element {
  return (
    <span class="legend">
      <span class="line requests">requests</span>
      <span class="line errors">errors (5xx)</span>
    </span>
  );
}

export function TrafficChart({ history }: { readonly history: TrafficHistory }): JSX.Element {
  const { times, series, label } = useMemo(() => {
    // The present minute is not whole.
    const minutes = history.minutes.slice(0, -1);
    const requests = minutes.map((minute) => minute.requests / 60);
    return {
      times: minutes.map(({ at }) => Date.parse(at) / 1000),
      series: [
        { label: "requests", values: requests, colour: "--accent" as const },
        {
          label: "errors",
          values: minutes.map(({ errors }) => errors / 60),
          colour: "--bad" as const,
          isDashed: true,
        },
      ],
      label: `Requests a second of the last hour, by minute: at most ${rate(Math.max(0, ...requests))}, now ${rate(requests.at(-1) ?? 0)}.`,
    };
  }, [history]);
  return <Chart label={label} times={times} series={series} format={axisRate} />;
}

const axisRate = (value: number): string => `${count(value)}/s`;
