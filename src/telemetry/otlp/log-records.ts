import { type Attributes, type LogRecord, SeverityNumber } from "@opentelemetry/api";
import type { LogEntry } from "../../log.ts";

const severities = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
} as const;

/** An entry of the log as OTLP has it: its text, level and time, and the fields with the subsystem as attributes. Pure. */
export function logRecordOf({ fields, level, message, subsystem, time }: LogEntry): LogRecord {
  return {
    timestamp: new Date(time),
    severityNumber: severities[level],
    severityText: level.toUpperCase(),
    body: message,
    // Fields are what JSON can hold.
    attributes: { ...(subsystem === "" ? {} : { subsystem }), ...(fields as Attributes) },
  };
}
