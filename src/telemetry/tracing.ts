import type { IncomingHttpHeaders } from "node:http";

/** What is known of a span; names as OpenTelemetry's semantic conventions have them. */
export interface SpanAttributes {
  readonly [name: string]: string | number | boolean;
}

export interface SpanOptions {
  /** Present for what a caller asked for: its W3C headers say what the span is part of. */
  readonly headers?: IncomingHttpHeaders;
  readonly attributes?: SpanAttributes;
}

/** A piece of work and how long it took. */
export interface Span {
  /** Spans that begin in it, and log entries that are written in it, belong to this span. */
  run<T>(work: () => T): T;
  /** Adds attributes; a name, where it is known only now. */
  set(attributes: SpanAttributes, name?: string): void;
  /** Ends it, as failed where a reason is given: a stable code, not a message. */
  end(failure?: string): void;
}

/** Tells others what work there was. */
export interface Tracing {
  /** Begins a span, as part of that which runs. */
  begin(name: string, options?: SpanOptions): Span;
}

const noSpan: Span = { run: (work) => work(), set: () => {}, end: () => {} };

/** Where nobody wants to know. */
export const noTracing: Tracing = { begin: () => noSpan };
