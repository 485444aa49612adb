import { expect, it } from "vitest";
import type { TrafficMinute } from "../../src/caddy-json/traffic.ts";
import { TrafficHistory } from "../../src/telemetry/traffic-history.ts";

const FIRST = 1_700_000_040;

it("keeps an hour of what Caddy tells of a quarter of it, and the larger of what it tells twice", async () => {
  let now = FIRST;
  let told: readonly TrafficMinute[] = [{ start: FIRST, requests: 5, errors: 2 }];
  const history = new TrafficHistory({ trafficMinutes: async () => told }, () => now);
  expect((await history.minutes()).at(-1)).toEqual({ start: FIRST, requests: 5, errors: 2 });

  // Caddy was restarted.
  told = [{ start: FIRST, requests: 1, errors: 0 }];
  await history.gather();
  now = FIRST + 59 * 60 + 30;
  told = [{ start: FIRST + 58 * 60, requests: 7, errors: 0 }];
  const minutes = await history.minutes();
  expect(minutes).toHaveLength(60);
  expect([minutes[0], minutes[1], minutes[58], minutes[59]]).toEqual([
    { start: FIRST, requests: 5, errors: 2 },
    { start: FIRST + 60, requests: 0, errors: 0 },
    { start: FIRST + 58 * 60, requests: 7, errors: 0 },
    { start: FIRST + 59 * 60, requests: 0, errors: 0 },
  ]);

  now += 120;
  told = [];
  expect((await history.minutes()).filter(({ requests }) => requests > 0)).toEqual([
    { start: FIRST + 58 * 60, requests: 7, errors: 0 },
  ]);
});
