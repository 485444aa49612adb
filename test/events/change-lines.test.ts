import { expect, it } from "vitest";
import { changeLines } from "../../src/events/change-lines.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const actor = {
  subject: "ann",
  token_id: "t-1",
  address: "10.0.0.9",
  request_id: "r-1",
  via: "api",
} as const;

it("writes a line for each change: who, what, which, from where, why, and what became of it", () => {
  const logger = recordingLogger();
  const lines = changeLines(logger);
  const ingress = { id: "i-1", name: "shop" };
  lines.emit({
    type: "ingress.created",
    message: "made",
    ingress,
    actor,
    change_message: "why",
    data: { rules: 1 },
  });
  lines.emit({
    type: "ingress.refused",
    message: "not made",
    actor,
    data: { code: "Forbidden", unreported: 7 },
  });
  expect(logger.entries.map(({ level, message, fields }) => [level, message, fields])).toEqual([
    [
      "info",
      "made",
      { type: "ingress.created", outcome: "accepted", ...ingress, ...actor, change_message: "why" },
    ],
    [
      "info",
      "not made",
      { type: "ingress.refused", outcome: "refused", code: "Forbidden", unreported: 7, ...actor },
    ],
  ]);
});

it("leaves what nobody asked for to the part that found it", () => {
  const logger = recordingLogger();
  changeLines(logger).emit({ type: "instance.gone", message: "gone", instance: { name: "web-1" } });
  expect(logger.entries).toEqual([]);
});
