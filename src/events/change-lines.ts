import type { LogFields, Logger } from "../log.ts";
import type { EventDraft, EventSink } from "../model/event.ts";

/** Writes one line at info for each change of state: who, what, which, from where, outcome. */
export function changeLines(logger: Logger): EventSink {
  return {
    emit: (event) => {
      // What nobody asked for is logged by the part that found it, at the level that it deserves.
      if (event.actor !== undefined) logger.info(event.message, changeFields(event));
    },
  };
}

/** What a line about a change says beside its message. */
function changeFields(event: EventDraft): LogFields {
  const { actor, change_message, data, ingress, instance, certificate, type } = event;
  const { id, name } = ingress ?? instance ?? certificate ?? {};
  const code = data?.["code"];
  return {
    type,
    outcome: code === undefined ? "accepted" : "refused",
    ...defined({ code, id, name, ...actor, change_message, unreported: data?.["unreported"] }),
  };
}

function defined(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
