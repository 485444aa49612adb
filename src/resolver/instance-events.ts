import type { Instance } from "../model/api.ts";
import type { Attribution } from "../model/attribution.ts";
import { attributed, type EventDraft } from "../model/event.ts";
import { resolveInstance } from "./instance-address.ts";

/** More changes in one step are one event: they would push everything else out of the history. */
const MOST_APART = 100;

/** An instance before and after; one that appears has no `before`, one that is gone no `after`. */
export interface InstanceChange {
  readonly before?: Instance | undefined;
  readonly after?: Instance | undefined;
}

/** What the changes of one step are as events; `by` where somebody asked for them. Pure. */
export function instanceEvents(changes: readonly InstanceChange[], by?: Attribution): readonly EventDraft[] {
  const events = changes.flatMap((change) => instanceEvent(change, by) ?? []);
  if (events.length <= MOST_APART) return events;
  const counts = Map.groupBy(events, ({ type }) => type.slice("instance.".length));
  const data = Object.fromEntries([...counts].map(([what, of]) => [what, of.length]));
  const words = Object.entries(data).map(([what, count]) => `${count} ${what}`);
  return [
    {
      type: "instance.batch",
      message: `instances: ${words.join(", ")}`,
      ...(by === undefined ? {} : attributed(by)),
      data,
    },
  ];
}

function instanceEvent({ before, after }: InstanceChange, by?: Attribution): EventDraft | undefined {
  const instance = after ?? before;
  if (instance === undefined) return undefined;
  const { id, name } = instance;
  const rest = { instance: { id, name }, ...(by === undefined ? {} : attributed(by)) };
  if (after === undefined) return { type: "instance.gone", message: `instance ${name} is gone`, ...rest };
  const { state, service } = after;
  const address = addressOf(after);
  const data = { address: address ?? null, state, ...(service === undefined ? {} : { service }) };
  const where = address === undefined ? `without an address (${state})` : `at ${address}`;
  if (before === undefined)
    return { type: "instance.appeared", message: `instance ${name} appeared ${where}`, ...rest, data };
  const was = addressOf(before);
  if (was !== address) {
    const from = was === undefined ? "" : `, before at ${was}`;
    return {
      type: "instance.moved",
      message: `instance ${name} is ${where}${from}`,
      ...rest,
      data: { ...data, before: was ?? null },
    };
  }
  return {
    type: "instance.changed",
    message: before.state === state ? `instance ${name} was changed` : `instance ${name} is ${state}`,
    ...rest,
    data,
  };
}

/** Where requests to the instance go now. */
function addressOf(instance: Instance): string | undefined {
  const resolution = resolveInstance(instance);
  return resolution.kind === "addresses" ? resolution.addresses[0] : undefined;
}
